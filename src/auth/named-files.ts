import { X509Certificate } from 'node:crypto';
import { AuthFileError } from './auth-file-error';
import type { LoadedFiles } from './auth-files';
import { parseRevocationLists, RevocationListError, type RevocationList } from './crl';
import { KeysError, parseKeys, type PublicKeys } from './jwks';
import type { IssuerEntry } from './schema';

/** What the files hold that the auth file names. */
export interface NamedFiles {
  /** The keys of issuers that have a file. */
  readonly keys: ReadonlyMap<IssuerEntry, PublicKeys>;
  readonly revocationLists: readonly RevocationList[];
  /** The authorities of client certificates; undefined: not known, or there is no list. */
  readonly authorities: readonly X509Certificate[] | undefined;
}

/** Throws AuthFileError with everything that is wrong. */
export function readNamedFiles(files: LoadedFiles): NamedFiles {
  const problems: string[] = [];
  const keys = issuerKeys(files, problems);
  const authorities = files.clientCa && authoritiesIn(files.clientCa);
  const revocationLists = revocationListsOf(files, authorities, problems);
  if (problems.length > 0) throw new AuthFileError(files.path, problems);
  return { keys, revocationLists, authorities };
}

function issuerKeys({ file, contents }: LoadedFiles, problems: string[]): NamedFiles['keys'] {
  const keys = new Map<IssuerEntry, PublicKeys>();
  for (const [index, entry] of file.issuers.entries()) {
    const content = contents.get(entry.keys.file ?? '');
    if (content === undefined) continue;
    try {
      keys.set(entry, parseKeys(content));
    } catch (error) {
      if (!(error instanceof KeysError)) throw error;
      problems.push(`issuers[${index}].keys.file ${error.message}`);
    }
  }
  return keys;
}

function revocationListsOf(
  { file: { certificates }, contents }: LoadedFiles,
  authorities: NamedFiles['authorities'],
  problems: string[],
): readonly RevocationList[] {
  const content = contents.get(certificates?.crl_file ?? '');
  if (content === undefined) return [];
  try {
    return parseRevocationLists(content, authorities);
  } catch (error) {
    if (!(error instanceof RevocationListError)) throw error;
    problems.push(`certificates.crl_file ${error.message}`);
    return [];
  }
}

/** Of a file that TLS accepts. */
function authoritiesIn(pem: Uint8Array): X509Certificate[] {
  const blocks = Buffer.from(pem)
    .toString('latin1')
    .match(/-----BEGIN (TRUSTED )?CERTIFICATE-----[^-]*-----END \1CERTIFICATE-----/g);
  return (blocks ?? []).map((block) => new X509Certificate(block));
}
