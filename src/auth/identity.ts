import type { DetailedPeerCertificate } from 'node:tls';

/** What a caller presents. */
export interface Credentials {
  /** The value of the metadata entry `authorization`; undefined: it is missing. */
  readonly authorization: string | undefined;
  /** The client certificate that TLS has verified; undefined: it is missing. */
  readonly certificate: DetailedPeerCertificate | undefined;
  /** Whether the connection has as many JWTs being verified as it may: only those that are known are recognized. */
  readonly isBusy?: boolean;
}

/** The credential that an identity comes from, as the audit log names it. Never holds a secret. */
export interface CredentialId {
  readonly kind: 'token' | 'jwt' | 'certificate' | 'none';
  /** Of a token: its id in the auth file; of a JWT: `jti` or ""; of a certificate: its serial number. */
  readonly id: string;
}

/** The caller, as its credential says. */
export interface Identity {
  /** `<source>:<name>`, such as `corp:alice`, `token:ci` or `cert:orders`; or `anonymous`. */
  readonly principal: string;
  readonly credential: CredentialId;
  /** Roles that come with the credential; `permissionsOf` adds those of the auth file. */
  readonly roles: readonly string[];
  /** The claims of a JWT that are strings. */
  readonly claims: ReadonlyMap<string, string>;
  /** From when the credential is not accepted, tolerance included, in milliseconds since 1970; undefined: never. */
  readonly expiresAtMs: number | undefined;
}

export const anonymous: Identity = {
  principal: 'anonymous',
  credential: { kind: 'none', id: '' },
  roles: [],
  claims: new Map(),
  expiresAtMs: undefined,
};
