import { bytesOf, fieldsOf, messagesOf, numberOf, textOf } from './protobuf';

/** What the stream is at, and what the caller expected. */
export interface Conflict {
  readonly stream: string;
  /** Absent: only that the stream exists. */
  readonly expected: string | undefined;
  readonly actual: string;
}

/** The first event that a condition refuses. */
export interface FailedCondition {
  readonly item: number;
  readonly position: string;
  readonly eventId: string;
}

/** The typed details of an error, as far as the console shows them. */
export interface Details {
  /** The stable reason, for instance `STREAM_NOT_FOUND`; empty: none. */
  readonly reason: string;
  readonly metadata: ReadonlyMap<string, string>;
  readonly fields: readonly { readonly field: string; readonly problem: string }[];
  readonly conflict: Conflict | undefined;
  readonly condition: FailedCondition | undefined;
  /** The stream and position of the commit that has the commit id of the request. */
  readonly commit: { readonly stream: string; readonly position: string } | undefined;
}

/** A call that ended with an error: of the gateway, or of the way to it. */
export class CallError extends Error {
  override readonly name = 'CallError';

  constructor(
    /** The status in the words of Connect, for instance `not_found`; `unreachable`: no response came. */
    readonly code: string,
    message: string,
    readonly details: Details = detailsOf([]),
  ) {
    super(message);
  }
}

interface ErrorJson {
  readonly code?: unknown;
  readonly message?: unknown;
  readonly details?: unknown;
}

/** From the JSON of a Connect error. */
export function errorOf(json: unknown, fallback: string): CallError {
  const { code, message, details } = (typeof json === 'object' && json !== null ? json : {}) as ErrorJson;
  return new CallError(
    typeof code === 'string' ? code : fallback,
    typeof message === 'string' && message !== '' ? message : 'the gateway gave no reason',
    detailsOf(Array.isArray(details) ? details : []),
  );
}

function detailsOf(list: readonly unknown[]): Details {
  const all = list.flatMap((detail) => {
    const { type, value } = (detail ?? {}) as { type?: unknown; value?: unknown };
    if (typeof type !== 'string' || typeof value !== 'string') return [];
    return [{ type: type.replace(/^.*\//, ''), fields: fieldsOf(bytesOf(value)) }];
  });
  const of = (type: string): ReturnType<typeof fieldsOf> | undefined =>
    all.find((detail) => detail.type === type)?.fields;
  const info = of('google.rpc.ErrorInfo');
  const conflict = of('sluice.v1.VersionConflict');
  const condition = of('sluice.v1.AppendConditionFailed');
  const reuse = of('sluice.v1.CommitIdReuse');
  const bad = of('google.rpc.BadRequest');
  return {
    reason: info === undefined ? '' : textOf(info, 1),
    metadata: new Map(
      info === undefined
        ? []
        : messagesOf(info, 3).map((entry) => [textOf(entry, 1), textOf(entry, 2)] as const),
    ),
    fields:
      bad === undefined
        ? []
        : messagesOf(bad, 1).map((entry) => ({ field: textOf(entry, 1), problem: textOf(entry, 2) })),
    conflict: conflict && {
      stream: textOf(conflict, 1),
      expected: numberOf(conflict, 2),
      actual: numberOf(conflict, 3) ?? '0',
    },
    condition: condition && {
      item: Number(numberOf(condition, 1) ?? 0),
      position: numberOf(condition, 2) ?? '0',
      eventId: textOf(condition, 3),
    },
    commit: reuse && { stream: textOf(reuse, 2), position: numberOf(reuse, 3) ?? '0' },
  };
}
