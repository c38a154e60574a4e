import { hash, randomBytes } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { UnauthenticatedError } from './errors';
import type { Identity } from './identity';
import type { TokenEntry } from './schema';
import type { Verifier } from './verifier';

/** Begins every API token, so that scanners for secrets can find them. */
export const tokenPrefix = 'slu_';

const tokenForm = /^(slu_[A-Za-z0-9_-]{43})([A-Za-z0-9_-]{6})$/;

/** A new API token: the prefix, 32 random bytes and the CRC-32 of both, in base64url. */
export function makeToken(): string {
  const body = tokenPrefix + randomBytes(32).toString('base64url');
  return body + checksumOf(body);
}

function checksumOf(body: string): string {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(crc32(body));
  return bytes.toString('base64url');
}

/** What the auth file has of a token: its SHA-256, in hexadecimal digits. The token has enough entropy to need no salt. */
export function digestOfToken(token: string): string {
  return hash('sha256', token);
}

interface Known {
  readonly entry: TokenEntry;
  readonly identity: Identity;
}

/** The digest of the token that an identity comes from, whichever generation made it. */
const digests = new WeakMap<Identity, string>();

/**
 * Recognizes API tokens. Tokens are found by their digest, so that the time of a lookup tells nothing about a token that is
 * nearly right.
 */
export function createTokens(entries: readonly TokenEntry[], now: () => number = Date.now): Verifier<string> {
  const known = new Map(entries.map((entry) => [entry.sha256, knownOf(entry)]));
  return {
    identify(token) {
      const found = known.get(digestOfToken(token));
      if (found === undefined) throw unknownToken(token);
      checkExpiry(found.entry, now());
      return found.identity;
    },
    rolesOf(identity) {
      const entry = known.get(digests.get(identity) ?? '')?.entry;
      if (entry === undefined || `token:${entry.principal}` !== identity.principal) {
        throw new UnauthenticatedError('invalid', 'the token is not accepted any more');
      }
      // An expiry that has been brought forward ends what goes on, which relies on the one that it knows.
      if ((entry.expires ?? Infinity) < (identity.expiresAtMs ?? Infinity)) {
        throw new UnauthenticatedError('expired', 'the token expires earlier than it did');
      }
      return entry.roles;
    },
    close: () => undefined,
  };
}

function knownOf(entry: TokenEntry): Known {
  const identity: Identity = {
    principal: `token:${entry.principal}`,
    credential: { kind: 'token', id: entry.id },
    roles: entry.roles,
    claims: new Map(),
    expiresAtMs: entry.expires,
  };
  digests.set(identity, entry.sha256);
  return { entry, identity };
}

function checkExpiry({ expires }: TokenEntry, nowMs: number): void {
  if (expires !== undefined && nowMs >= expires) {
    throw new UnauthenticatedError('expired', 'the token has expired');
  }
}

function unknownToken(token: string): UnauthenticatedError {
  const [, body = '', checksum] = tokenForm.exec(token) ?? [];
  const message =
    checksum === undefined || checksumOf(body) !== checksum
      ? 'the token is not complete or has a typing error: its checksum is wrong'
      : 'the token is not known';
  return new UnauthenticatedError('invalid', message);
}
