import { AccessDeniedError } from '../auth/errors';
import type { Guard } from '../auth/guard';
import { anonymous, type Identity } from '../auth/identity';
import type { Permissions, StreamAction } from '../auth/permissions';
import { overlap } from '../store/patterns';

/** An identity that makes calls, and what it may do by the latest generation of the auth file. Its calls share it. */
export class Access {
  private generation: number;
  private known: Permissions;

  constructor(
    private readonly guard: Guard,
    readonly identity: Identity,
    /** What is stored beside the commits of its calls; undefined: nothing. */
    readonly recorded: string | undefined,
  ) {
    this.generation = guard.generation;
    this.known = guard.permissionsOf(identity);
  }

  get permissions(): Permissions {
    const { guard } = this;
    if (this.generation !== guard.generation) {
      this.generation = guard.generation;
      this.known = guard.permissionsOf(this.identity);
    }
    return this.known;
  }

  /** Throws UnauthenticatedError if the credential is no longer accepted. */
  check(): void {
    this.guard.check(this.identity);
  }

  /** Whether `check` may throw although there is no new generation. */
  mayHaveExpired(nowMs: number): boolean {
    const { expiresAtMs } = this.identity;
    return expiresAtMs !== undefined && nowMs >= expiresAtMs;
  }
}

/** The access of each identity. Without an auth file, there is a single one. */
export type AccessOf = (identity: Identity) => Access;

export function createAccessOf(guard: Guard, recordPrincipal: boolean): AccessOf {
  const open = (identity: Identity): Access =>
    new Access(guard, identity, recordPrincipal ? identity.principal : undefined);
  const everybody = open(anonymous);
  if (!guard.isOn) return () => everybody;
  const known = new WeakMap<Identity, Access>([[anonymous, everybody]]);
  return (identity) => {
    let access = known.get(identity);
    if (access === undefined) known.set(identity, (access = open(identity)));
    return access;
  };
}

/** What must stay granted while a call is open. */
export interface Need {
  readonly action: StreamAction;
  /** As the caller asked for them; empty: any grant of the action will do. */
  readonly patterns: readonly string[];
  /** The grants by which the streams of the call were chosen; undefined: each pattern must be within one grant. */
  readonly grants: readonly string[] | undefined;
  /** The consumer group that the call is about; undefined: it is about no group. */
  readonly group?: string | undefined;
}

/** Why a caller with these permissions is denied what it needs; undefined: it is not denied. */
export function denialOf(
  { action, patterns, grants }: Need,
  permissions: Permissions,
): AccessDeniedError | undefined {
  const isCovered = (pattern: string): boolean => permissions.covers(action, pattern);
  const [first] = patterns;
  if (first === undefined) {
    return permissions.patternsOf(action).length > 0 ? undefined : new AccessDeniedError(action, '');
  }
  if (grants === undefined) {
    const denied = patterns.find((pattern) => !isCovered(pattern));
    return denied === undefined ? undefined : new AccessDeniedError(action, denied);
  }
  const isUsed = (grant: string): boolean => patterns.some((pattern) => overlap(pattern, grant));
  const isLost = grants.some((grant) => !isCovered(grant) && isUsed(grant));
  return isLost ? new AccessDeniedError(action, first) : undefined;
}
