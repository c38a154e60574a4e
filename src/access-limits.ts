/** The limits of access control: the part of `Limits` (limits.ts) that concerns callers before their calls. */
export interface AccessLimits {
  /** Bytes of the auth file: all calls wait while it is parsed. */
  readonly authFileBytesMax: number;
  /** Bytes of a file that the auth file names: keys of an issuer, or a list of revoked certificates. */
  readonly authNamedFileBytesMax: number;
  /** Tokens, issuers, certificate rules, roles, principals and patterns of the auth file, each. */
  readonly authEntriesMax: number;
  /** Grants of one role or principal. */
  readonly authGrantsMax: number;
  /** Patterns of stream names in one grant. */
  readonly authPatternsMax: number;
  /** Roles of one identity, from its credential and from its entry each. */
  readonly authRolesMax: number;
  /** Identities whose permissions the gateway remembers. */
  readonly authRememberedMax: number;
  /** How often the gateway looks whether the auth file, a file that it names, or a TLS file has changed. */
  readonly authLookIntervalMs: number;
  /** The longest life of a JWT that the auth file may accept. */
  readonly jwtLifeMaxMs: number;
  /** Bytes of a JWT: longer ones are refused before they are parsed. */
  readonly jwtBytesMax: number;
  /** How far the clocks of an issuer and the gateway may differ. */
  readonly jwtToleranceMs: number;
  /** How long a JWT is accepted without another verification: it is verified again in case its key is gone. */
  readonly jwtRememberedMs: number;
  /** JWTs that are verified at a time: each needs a thread, of which reads of the disk need some. */
  readonly jwtVerificationsMax: number;
  /** JWTs that wait to be verified: a flood of wrong ones must not keep the others waiting for long. */
  readonly jwtsWaitingMax: number;
  /** Keys that are tried for a JWT whose key is not clear from its header: each costs a verification. */
  readonly jwtKeysTriedMax: number;
  /** Keys of one issuer. */
  readonly issuerKeysMax: number;
  /** Bytes of the response with the keys of an issuer. */
  readonly issuerKeysBytesMax: number;
  /** How long a request for the keys of an issuer may take. */
  readonly issuerKeysTimeoutMs: number;
  /** How long a change of the auth file waits for the keys of a new URL before it is in force. */
  readonly issuerKeysWaitMs: number;
  /** How often the gateway requests the keys of an issuer. */
  readonly issuerKeysIntervalMs: number;
  /** How often it does so if the keys are not available, or for a JWT with an unknown key. */
  readonly issuerKeysRetryMs: number;
  /** How long keys are used after they were received, if the issuer is not available. */
  readonly issuerKeysKeptMs: number;
  /** Bytes of the audit log that are not written yet: a slow disk must not fill the memory. */
  readonly auditBytesMax: number;
  /** Different denials that the audit log counts at a time: a caller can name any number of streams. */
  readonly auditDenialsMax: number;
  /** Over how long the audit log counts repeated denials together. */
  readonly auditDenialsWindowMs: number;
}

export const accessLimits: AccessLimits = {
  authFileBytesMax: 1 << 20,
  authNamedFileBytesMax: 16 << 20,
  authEntriesMax: 10_000,
  authGrantsMax: 100,
  authPatternsMax: 100,
  authRolesMax: 64,
  authRememberedMax: 4_096,
  authLookIntervalMs: 5_000,
  jwtLifeMaxMs: 86_400_000,
  jwtBytesMax: 8 << 10,
  jwtToleranceMs: 30_000,
  jwtRememberedMs: 300_000,
  jwtVerificationsMax: 2,
  jwtsWaitingMax: 1_024,
  jwtKeysTriedMax: 4,
  issuerKeysMax: 100,
  issuerKeysBytesMax: 256 << 10,
  issuerKeysTimeoutMs: 5_000,
  issuerKeysWaitMs: 1_000,
  issuerKeysIntervalMs: 600_000,
  issuerKeysRetryMs: 30_000,
  issuerKeysKeptMs: 86_400_000,
  auditBytesMax: 8 << 20,
  auditDenialsMax: 1_000,
  auditDenialsWindowMs: 10_000,
};
