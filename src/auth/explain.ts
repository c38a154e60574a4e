import { isStreamAction, type Grant } from './grants';
import { anonymous, type Identity } from './identity';
import { PatternTree } from '../store/pattern-tree';
import type { StoreAction, StreamAction } from './permissions';
import { Policy } from './policy';
import type { AuthFile, TokenEntry } from './schema';
import { isStreamPattern } from '../store/values';

/** A caller as described by somebody without its credentials. */
export interface Described {
  /** Such as `corp:alice`, `token:ci`, `cert:orders` or `anonymous`. */
  readonly principal: string;
  /** What the roles claim of its JWT has. */
  readonly roles: readonly string[];
  /** The claims of its JWT that are texts. */
  readonly claims: ReadonlyMap<string, string>;
}

/** Whether a text is a stream or a pattern of streams. */
export function isStreamOrPattern(text: string): boolean {
  return isStreamPattern(text);
}

/** What one credential of a caller permits. */
export interface Answer {
  /** Where the credential stands in the auth file, such as `tokens[0]`; "": a caller without credentials. */
  readonly credential: string;
  /** The first grant that permits it; undefined: it is not permitted. */
  readonly grant: Grant | undefined;
}

/**
 * Whether a caller may do something, for each credential of the auth file that makes this principal and has not expired; []
 * if the file has no such credential. `subject`: the stream or pattern; "": the store.
 */
export function explain(
  file: AuthFile,
  { principal, roles, claims }: Described,
  action: StreamAction | StoreAction,
  subject: string,
): Answer[] {
  const policy = new Policy(file);
  const identity: Identity = { ...anonymous, principal, claims };
  return credentialsOf(file, principal).map((credential) => {
    const all = new Map([...credential.claims, ...claims]);
    const ofJwt = credential.isJwt ? roles : [];
    const grants = policy.grantsOf({ ...identity, claims: all }, [...credential.roles, ...ofJwt]);
    return { credential: credential.path, grant: grants.find((grant) => permits(grant, action, subject)) };
  });
}

type Entry = Pick<TokenEntry, 'principal' | 'roles' | 'expires'>;

interface CredentialEntry {
  readonly path: string;
  readonly isJwt: boolean;
  readonly roles: readonly string[];
  /** Those that follow from the principal. */
  readonly claims: ReadonlyMap<string, string>;
}

function credentialsOf({ tokens, certificates, issuers }: AuthFile, principal: string): CredentialEntry[] {
  const now = Date.now();
  const colon = principal.indexOf(':');
  const [source, name] = [principal.slice(0, colon), principal.slice(colon + 1)];
  const isJwt = false;
  const claims = new Map<string, string>();
  if (principal === anonymous.principal) return [{ path: '', isJwt, roles: [], claims }];
  const entriesOf = (list: string, entries: readonly Entry[]): CredentialEntry[] =>
    entries
      .map((entry, index) => ({ ...entry, path: `${list}[${index}]`, isJwt, claims }))
      .filter((entry) => entry.principal === name && (entry.expires ?? Infinity) > now);
  if (source === 'token') return entriesOf('tokens', tokens);
  if (source === 'cert') return entriesOf('certificates.rules', certificates?.rules ?? []);
  return issuers
    .map((issuer, index) => ({ ...issuer, path: `issuers[${index}]` }))
    .filter((issuer) => issuer.name === source)
    .map(({ path, roles, principal_claim }) => ({
      path,
      isJwt: true,
      roles,
      claims: new Map([[principal_claim, name]]),
    }));
}

function permits({ action, pattern }: Grant, asked: StreamAction | StoreAction, subject: string): boolean {
  if (!isStreamAction(asked)) return action === asked || (action === 'admin' && asked === 'info');
  return action === asked && pattern !== undefined && new PatternTree([pattern]).contains(subject);
}
