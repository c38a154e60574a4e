import { isAuthError, UnauthenticatedError, type AnyAuthError } from '../auth/errors';
import type { Guard } from '../auth/guard';
import { CompactingMap } from '../collections/compacting-map';
import { denialOf, type Access, type Need } from './access';
import type { CallScope } from './call-scope';

const sweepIntervalMs = 500;

/**
 * Ends open calls whose caller may no longer have them: with each generation of the auth file, and when a credential expires. There
 * is one timer for all: one for each of thousands of idle subscriptions would take more memory.
 */
export class AccessWatch {
  /** Each by a number of its own, as in OpenCalls. */
  private readonly scopes = new CompactingMap<number, CallScope>();
  private begun = 0;
  private readonly timer: NodeJS.Timeout | undefined;

  constructor(private readonly guard: Guard) {
    if (!guard.isOn) return;
    guard.onChange(() => {
      this.checkAll(() => true);
    });
    this.timer = setInterval(() => {
      const nowMs = Date.now();
      this.checkAll((access) => access.mayHaveExpired(nowMs));
    }, sweepIntervalMs);
    this.timer.unref();
  }

  /** Returns the number by which the call is deleted. */
  add(scope: CallScope): number {
    if (this.guard.isOn) this.scopes.set(this.begun, scope);
    return this.begun++;
  }

  delete(number: number): void {
    if (this.guard.isOn) this.scopes.delete(number);
  }

  async run(scope: CallScope, work: () => Promise<void>): Promise<void> {
    const number = this.add(scope);
    try {
      await work();
    } finally {
      this.delete(number);
    }
  }

  close(): void {
    clearInterval(this.timer);
  }

  private checkAll(isDue: (access: Access) => boolean): void {
    const check = createCheck();
    for (const scope of this.scopes.values()) {
      if (!isDue(scope.access)) continue;
      const error = check(scope);
      if (error !== undefined) scope.loseAccess(error);
    }
  }
}

/** What is known of one access during a check. */
interface Checked {
  readonly rejection: AnyAuthError | undefined;
  /** Whether all of some grants still exist. */
  readonly areKept: Map<readonly string[], boolean>;
}

/** Returns why a call has to end. What many calls have in common is checked once. */
function createCheck(): (scope: CallScope) => AnyAuthError | undefined {
  const checked = new Map<Access, Checked>();
  return ({ access, need }) => {
    const known = checked.get(access) ?? { rejection: rejectionOf(access), areKept: new Map() };
    checked.set(access, known);
    if (known.rejection !== undefined || need === undefined) return known.rejection;
    return areKept(need, access, known) ? undefined : denialOf(need, access.permissions);
  };
}

function areKept({ action, grants }: Need, { permissions }: Access, known: Checked): boolean {
  if (grants === undefined) return false;
  const kept = known.areKept.get(grants) ?? grants.every((grant) => permissions.covers(action, grant));
  known.areKept.set(grants, kept);
  return kept;
}

/** Why the identity is no longer accepted. */
function rejectionOf(access: Access): AnyAuthError | undefined {
  try {
    access.check();
    return undefined;
  } catch (error) {
    if (isAuthError(error)) return error;
    return new UnauthenticatedError('invalid', 'the credential cannot be checked', { cause: error });
  }
}
