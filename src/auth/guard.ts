import { anonymous, type Credentials, type Identity } from './identity';
import type { Openness } from './openness';
import { allPermissions, type Permissions } from './permissions';
import type { AuditEntry } from './schema';

/** Decides who calls and what they may do, by the latest good generation of the auth file. */
export interface Guard {
  /** Whether there is an auth file: without one, everybody may do everything. */
  readonly isOn: boolean;
  /** Counts the generations of the auth file and what it refers to; 0: without an auth file. */
  readonly generation: number;
  /** `audit` of the auth file, with an absolute path; undefined: nothing is recorded. */
  readonly audit: AuditEntry | undefined;
  /** Why the audit log does not follow `audit`, for the problems of `openness`; undefined: it does. */
  reportAudit(problem: string | undefined): void;
  /** About the auth file in force; undefined: there is no auth file. */
  readonly facts: GuardFacts | undefined;
  /** What the auth file leaves open at present; undefined: there is no auth file. */
  openness(): Openness | undefined;
  /**
   * The caller that presents these credentials; without any, `anonymous` if the auth file grants it something. A promise only where a
   * signature has to be verified. Throws UnauthenticatedError, or rejects with it; the same with OverloadedError.
   */
  identify(credentials: Credentials): Identity | Promise<Identity>;
  /** Whether `identify` would give this identity of the present generation again for its token. Costs much less. */
  remembers(identity: Identity): boolean;
  /** Throws UnauthenticatedError if the credential has expired, or this generation does not accept it any more. */
  check(identity: Identity): void;
  /** What the identity may do in this generation: nothing if its credential is not accepted any more. Remembered for each identity. */
  permissionsOf(identity: Identity): Permissions;
  /** The listener is called after each new generation. */
  onChange(listener: () => void): void;
  /**
   * Looks at the files at once; they are also looked at every `authLookIntervalMs`. Files that cannot be used change nothing: the
   * error is logged, once for each content. Never rejects.
   */
  reload(): Promise<void>;
  close(): void;
}

export interface GuardFacts {
  /** When it came into force, in milliseconds since 1970. */
  readonly loadedAtMs: number;
  /** Whether the files that were read last are in force. */
  readonly isCurrent: boolean;
  /** When keys were last fetched, by the name of their issuer; only of issuers with a URL. */
  readonly keysFetchedAtMs: ReadonlyMap<string, number | undefined>;
}

/** For a gateway without an auth file. */
export const openGuard: Guard = {
  isOn: false,
  generation: 0,
  audit: undefined,
  facts: undefined,
  reportAudit: () => undefined,
  openness: () => undefined,
  identify: () => anonymous,
  remembers: () => true,
  check: () => undefined,
  permissionsOf: () => allPermissions,
  onChange: () => undefined,
  reload: () => Promise.resolve(),
  close: () => undefined,
};
