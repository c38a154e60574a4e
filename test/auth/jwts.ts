import pino from 'pino';
import { openJwts, type JwtOptions } from '../../src/auth/issuers';
import type { JwtVerifier } from '../../src/auth/jwt';
import { parseKeys } from '../../src/auth/jwks';
import type { KeyTimes } from '../../src/auth/jwks-source';
import { defaultLimits } from '../../src/limits';
import type { IssuerEntry } from '../../src/auth/schema';
import { parseAuthFile } from '../../src/auth/auth-file';
import { audience, issuerName, type SigningKey } from '../support/oidc-issuer';

export interface Opened extends Disposable {
  readonly jwts: JwtVerifier;
  /** Lines of the log. */
  readonly logged: { readonly msg: string; readonly level: number }[];
  /** How often keys were gone. */
  gone: number;
  /** The next generation, with other issuers. */
  next(...issuers: readonly object[]): Promise<Opened>;
}

const algorithms = ['RS256', 'PS256', 'ES256', 'EdDSA'];

/** An issuer of the auth file, as it is written. */
export function issuerEntry(keys: IssuerEntry['keys'], more: object = {}): object {
  return { name: 'corp', issuer: issuerName, audience, algorithms, keys, roles_claim: 'roles', ...more };
}

/** The name of a file with the public halves of these keys. */
export function keyFile(...keys: readonly SigningKey[]): string {
  return `data:${JSON.stringify({ keys: keys.map(({ jwk }) => jwk) })}`;
}

/** Opens the verifier of JWTs of an auth file with these issuers. */
export async function openIssuers(
  issuers: readonly object[],
  times: Partial<KeyTimes> = {},
  previous?: JwtVerifier,
): Promise<Opened> {
  const logged: Opened['logged'] = [];
  const log = pino(
    {},
    { write: (line: string) => logged.push(JSON.parse(line) as Opened['logged'][number]) },
  );
  const roles = { admin: {}, reader: {} };
  const file = parseAuthFile(Buffer.from(JSON.stringify({ roles, issuers })), 'auth.json');
  const keys = new Map(
    file.issuers.flatMap((entry) =>
      entry.keys.file === undefined
        ? []
        : [[entry, parseKeys(Buffer.from(entry.keys.file.replace(/^data:/, '')))]],
    ),
  );
  const opened = { logged, gone: 0 };
  const options: JwtOptions = {
    log,
    onKeysGone: () => opened.gone++,
    keyTimes: { ...defaultLimits, ...times },
  };
  const jwts = await openJwts(file, keys, previous, options);
  return Object.assign(opened, {
    jwts,
    next: (...more: readonly object[]) => openIssuers(more, times, jwts),
    [Symbol.dispose]: () => {
      jwts.close();
    },
  });
}
