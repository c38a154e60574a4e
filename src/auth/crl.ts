import { verify, type X509Certificate } from 'node:crypto';
import { serialNumber, subjectOf, type SerialNumber } from './certificate-names';
import { childrenOf, contentOf, DerError, elementsOf, tag, type Element } from './der';

/** A list of revoked certificates (RFC 5280, section 5). */
export interface RevocationList {
  readonly revoked: readonly SerialNumber[];
  /** When the issuer promised a newer one, in milliseconds since 1970; undefined: it did not. */
  readonly nextUpdateMs: number | undefined;
}

/** `message`: why a list cannot be used. */
export class RevocationListError extends Error {}

/**
 * Reads all lists of a file, PEM or DER. With `authorities`, each must be signed by one of them: such lists are fetched over plain
 * HTTP. Throws RevocationListError.
 */
export function parseRevocationLists(
  content: Uint8Array,
  authorities: readonly X509Certificate[] | undefined,
): RevocationList[] {
  const lists = blocksOf(content);
  if (lists.length === 0) throw new RevocationListError('has no list of revoked certificates');
  return lists.map((list, index) => {
    const which = lists.length === 1 ? '' : ` (list ${(index + 1).toString()})`;
    try {
      return parseList(list, authorities);
    } catch (error) {
      const { message } = error as Error;
      if (!(error instanceof DerError)) throw error;
      throw new RevocationListError(`is not a list of revoked certificates${which}: ${message}`);
    }
  });
}

/** The content of each block, and what is around it. */
const block = /-----BEGIN X509 CRL-----([A-Za-z\d+/=\s]*)-----END X509 CRL-----/;

/** A part of a list may be half of a file that is being written: without it, certificates would no longer be revoked. */
function blocksOf(content: Uint8Array): Uint8Array[] {
  if (content[0] === tag.sequence) return [content];
  const parts = Buffer.from(content).toString('latin1').split(block);
  if (parts.some((part, index) => index % 2 === 0 && part.trim() !== '')) {
    throw new RevocationListError('has something other than complete lists of revoked certificates');
  }
  return parts.filter((_, index) => index % 2 === 1).map((body) => Buffer.from(body, 'base64'));
}

function parseList(bytes: Uint8Array, authorities: readonly X509Certificate[] | undefined): RevocationList {
  const [whole, ...more] = elementsOf(bytes);
  const [toBeSigned, algorithm, signature] = childrenOf(whole, tag.sequence);
  const fields = childrenOf(toBeSigned, tag.sequence);
  if (fields[0]?.tag === tag.integer) fields.shift();
  const [, issuer, , ...rest] = fields;
  if (toBeSigned === undefined || more.length > 0) throw new DerError('it is not complete');
  if (authorities !== undefined) {
    const signed = { toBeSigned, issuer, algorithm, signature };
    if (!authorities.some((authority) => isSignedBy(authority, signed))) {
      throw new RevocationListError('is not signed by an authority of client certificates');
    }
  }
  const nextUpdate = rest[0] && isTime(rest[0]) ? rest.shift() : undefined;
  refuseCritical(rest.find((field) => field.tag === extensionsTag));
  const entries = rest[0]?.tag === tag.sequence ? childrenOf(rest[0], tag.sequence) : [];
  const revoked = entries.map((entry) => serialNumber(issuer, childrenOf(entry, tag.sequence)[0]));
  return { revoked, nextUpdateMs: nextUpdate && timeOf(nextUpdate) };
}

const extensionsTag = 0xa0;

interface SignedList {
  readonly toBeSigned: Element;
  readonly issuer: Element | undefined;
  readonly algorithm: Element | undefined;
  readonly signature: Element | undefined;
}

/** The hash of each kind of signature, by its object id; null: the signature has its own. */
const hashes: Readonly<Record<string, string | null>> = {
  '2a864886f70d01010b': 'sha256', // RSA
  '2a864886f70d01010c': 'sha384',
  '2a864886f70d01010d': 'sha512',
  '2a8648ce3d040302': 'sha256', // ECDSA
  '2a8648ce3d040303': 'sha384',
  '2a8648ce3d040304': 'sha512',
  '2b6570': null, // Ed25519
};

function isSignedBy(
  { raw, publicKey }: X509Certificate,
  { toBeSigned, issuer, algorithm, signature }: SignedList,
): boolean {
  if (issuer === undefined || Buffer.compare(subjectOf(raw), issuer.bytes) !== 0) return false;
  const id = Buffer.from(contentOf(childrenOf(algorithm, tag.sequence)[0], tag.objectId)).toString('hex');
  const hash = hashes[id];
  if (hash === undefined) throw new DerError(`it is signed in an unknown way, ${id}`);
  // The first byte of a bit string counts the bits that are not used.
  const [unused, ...bytes] = contentOf(signature, tag.bits);
  if (unused !== 0) throw new DerError('its signature is not complete');
  return verify(hash, toBeSigned.bytes, publicKey, Uint8Array.from(bytes));
}

/** Such an extension limits what the list says, for example to a part of the certificates, or to changes since another list. */
function refuseCritical(extensions: Element | undefined): void {
  if (extensions === undefined) return;
  for (const extension of childrenOf(elementsOf(extensions.content)[0], tag.sequence)) {
    const [, critical] = childrenOf(extension, tag.sequence);
    if (critical?.tag === tag.boolean && critical.content[0] !== 0) {
      throw new DerError('it has a critical extension, so it is not the whole list of its issuer');
    }
  }
}

function isTime(element: Element): boolean {
  return element.tag === tag.utcTime || element.tag === tag.generalizedTime;
}

/** Years of two digits are from 1950 to 2049. */
function timeOf({ tag: kind, content }: Element): number {
  const text = Buffer.from(content).toString('latin1');
  const full = kind === tag.utcTime ? `${Number(text.slice(0, 2)) < 50 ? '20' : '19'}${text}` : text;
  const time = full.replace(/^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/, '$1-$2-$3T$4:$5:$6Z');
  return Date.parse(time);
}
