import type { Audit } from '../auth/audit';
import type { AuditEntry } from '../auth/audit-entry';
import type { AccessDeniedError, AnyAuthError } from '../auth/errors';
import type { Guard } from '../auth/guard';
import { anonymous } from '../auth/identity';
import { OverloadedError } from '../store/errors';
import { GroupError, type GroupErrorCode } from '../store/group-errors';
import { outcomeOf as storeOutcomeOf, type Outcome as StoreOutcome } from '../store/outcome';
import type { Access, Need } from './access';

/** A call, as far as the audit log names it. */
export interface AuditedCall {
  readonly connection: { readonly peer: string };
  /** undefined: the caller is not identified. */
  readonly access: Access | undefined;
  /** As gRPC calls the RPC. */
  readonly path: string;
}

/** What an append has stored. */
interface Stored {
  readonly commitId: string | undefined;
  readonly position: bigint;
}

/** A consumer group that a call is about to change. */
export interface ChangedGroup {
  readonly group: string;
  /** The streams that it selects. */
  readonly patterns: readonly string[];
}

/** What callers do, and what they are denied, for the audit log. */
export class CallAudit {
  constructor(
    private readonly audit: Audit,
    private readonly guard: Guard,
  ) {}

  /** Whether appends are recorded. */
  get hasWrites(): boolean {
    return this.audit.hasWrites;
  }

  /** Whether reads, subscriptions and sessions are recorded. */
  get hasReads(): boolean {
    return this.audit.hasReads;
  }

  denied(error: AnyAuthError, call: AuditedCall): void {
    const outcome = error.code;
    const entry = { ...this.entryOf(call), outcome };
    switch (error.code) {
      case 'UNAUTHENTICATED':
        this.audit.denied(entry);
        return;
      case 'ACCESS_DENIED':
        this.audit.denied({
          ...entry,
          action: error.action,
          ...subjectOf(error),
        });
        return;
      case 'QUOTA_EXCEEDED':
        this.audit.denied({ ...entry, limit: error.limit });
    }
  }

  /** A read, a subscription or a session. */
  begun(call: AuditedCall, need: Need): void {
    this.spanned(call, need, 'begun', 'OK');
  }

  /** `error`: what it ended with; undefined: it succeeded. */
  ended(call: AuditedCall, need: Need, error: unknown): void {
    this.spanned(call, need, 'ended', outcomeOf(error));
  }

  private spanned(call: AuditedCall, need: Need, phase: AuditEntry['phase'], outcome: Outcome): void {
    if (!this.hasReads) return;
    const { action, patterns, group } = need;
    this.audit.record({ ...this.entryOf(call), action, group, streams: patterns, phase, outcome });
  }

  /** See `Audit.reserve`. */
  reserve(streams: readonly string[]): number | undefined {
    return this.audit.reserve(streams);
  }

  /** An append has ended, for whose entry these bytes are reserved. */
  appended(
    call: AuditedCall,
    { action, streams }: Pick<AuditEntry, 'action' | 'streams'>,
    result: Stored | { readonly error: unknown },
    reserved: number,
  ): void {
    const entry = { ...this.entryOf(call), action, streams };
    if ('error' in result) this.audit.appended({ ...entry, outcome: outcomeOf(result.error) }, reserved);
    else {
      const { commitId, position } = result;
      this.audit.appended({ ...entry, commitId, position, outcome: 'OK' }, reserved);
    }
  }

  /** A group was changed, or could not be; see `appended`. `error`: undefined if it was changed. */
  groupChanged(call: AuditedCall, { group, patterns }: ChangedGroup, error: unknown, reserved: number): void {
    const entry = { ...this.entryOf(call), action: 'manage', group, streams: patterns } as const;
    this.audit.appended({ ...entry, outcome: outcomeOf(error) }, reserved);
  }

  private entryOf({ access, connection, path }: AuditedCall): Omit<AuditEntry, 'outcome'> {
    const { principal, credential } = access?.identity ?? { principal: '', credential: anonymous.credential };
    return {
      principal,
      credential,
      generation: this.guard.generation,
      peer: connection.peer,
      call: path.slice(path.lastIndexOf('/') + 1),
      action: undefined,
      streams: [],
    };
  }
}

/** The error of a call for whose entry there is no space; see `Audit.reserve`. */
export function auditFull(): OverloadedError {
  return new OverloadedError('auditBytesMax', 'the audit log takes no more entries at present');
}

function subjectOf({ subject, isGroup }: AccessDeniedError): Pick<AuditEntry, 'group' | 'streams'> {
  if (isGroup) return { group: subject, streams: [] };
  return { streams: subject === '' ? [] : [subject] };
}

type Outcome = StoreOutcome | GroupErrorCode;

function outcomeOf(error: unknown): Outcome {
  return error instanceof GroupError ? error.code : storeOutcomeOf(error);
}
