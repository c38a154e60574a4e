import type { RecordedEvent } from '../../generated/sluice/v1/event';

/** One append as its caller saw it. Times are of one clock. */
export interface Attempt {
  /** Ids of its events, in order. */
  readonly eventIds: readonly string[];
  readonly expectedVersion: bigint | undefined;
  readonly startedAt: number;
  readonly endedAt: number;
  readonly outcome: Outcome;
}

export type Outcome =
  | {
      readonly kind: 'stored';
      readonly firstVersion: bigint;
      readonly version: bigint;
      readonly position: bigint;
    }
  /** Refused: nothing may be stored. `actualVersion` where a conflict named it. */
  | { readonly kind: 'refused'; readonly actualVersion: bigint | undefined }
  /** May be stored, or not, but not in part. */
  | { readonly kind: 'unknown' };

/**
 * What is wrong with the history of one stream: its attempts, and all its events as read when they had ended. Empty
 * if every attempt was atomic, took a place of its own, and came after all that had ended before it started.
 */
export function historyFaults(attempts: readonly Attempt[], events: readonly RecordedEvent[]): string[] {
  return [
    ...numberingFaults(events),
    ...originFaults(attempts, events),
    ...sharedPositions(attempts, events),
    ...attempts.flatMap((attempt) => outcomeFaults(attempt, events)),
    ...orderFaults(attempts),
  ];
}

function numberingFaults(events: readonly RecordedEvent[]): string[] {
  return events.flatMap((event, index) => {
    const faults: string[] = [];
    if (event.version !== BigInt(index + 1)) {
      faults.push(`event ${index + 1} has version ${event.version.toString()}`);
    }
    const before = events[index - 1];
    if (before !== undefined && event.position < before.position) {
      faults.push(`version ${event.version.toString()} has a lower position than the one before`);
    }
    return faults;
  });
}

/** Every event was sent once and is stored once. */
function originFaults(attempts: readonly Attempt[], events: readonly RecordedEvent[]): string[] {
  const sent = new Set(attempts.flatMap(({ eventIds }) => eventIds));
  const seen = new Set<string>();
  return events.flatMap(({ id, version }) => {
    const twice = seen.has(id);
    seen.add(id);
    if (twice) return [`event ${id} is stored twice, the second time as version ${version.toString()}`];
    return sent.has(id) ? [] : [`version ${version.toString()} was never sent`];
  });
}

function sharedPositions(attempts: readonly Attempt[], events: readonly RecordedEvent[]): string[] {
  const attemptOf = new Map(attempts.flatMap((attempt) => attempt.eventIds.map((id) => [id, attempt])));
  return events.flatMap(({ id, position }, index) => {
    const before = events[index - 1];
    if (before?.position !== position || attemptOf.get(before.id) === attemptOf.get(id)) return [];
    return [`events ${before.id} and ${id} of two appends share position ${position.toString()}`];
  });
}

function outcomeFaults(attempt: Attempt, events: readonly RecordedEvent[]): string[] {
  const { eventIds, expectedVersion, outcome } = attempt;
  const name = `the append of ${eventIds[0] ?? 'nothing'}`;
  const stored = events.filter(({ id }) => eventIds.includes(id));
  if (outcome.kind === 'refused') {
    const { actualVersion } = outcome;
    return [
      ...(stored.length === 0 ? [] : [`${name} was refused, but is stored`]),
      ...(actualVersion === undefined || actualVersion !== expectedVersion
        ? []
        : [`${name} was refused although it expected the actual version`]),
    ];
  }
  if (stored.length === 0) return outcome.kind === 'stored' ? [`${name} was answered, but is lost`] : [];
  if (stored.map(({ id }) => id).join() !== eventIds.join())
    return [`${name} is stored in part or reordered`];
  const first = stored[0] as RecordedEvent;
  const last = stored.at(-1) as RecordedEvent;
  const faults: string[] = [];
  if (last.version - first.version !== BigInt(eventIds.length - 1)) faults.push(`${name} is torn apart`);
  if (first.position !== last.position) faults.push(`${name} has more than one position`);
  if (expectedVersion !== undefined && first.version !== expectedVersion + 1n) {
    faults.push(
      `${name} expected ${expectedVersion.toString()} and is stored as ${first.version.toString()}`,
    );
  }
  if (
    outcome.kind === 'stored' &&
    (outcome.firstVersion !== first.version ||
      outcome.version !== last.version ||
      outcome.position !== first.position)
  ) {
    faults.push(`${name} was answered with another place than it has`);
  }
  return faults;
}

/** What ended before another started comes before it. */
function orderFaults(attempts: readonly Attempt[]): string[] {
  const faults: string[] = [];
  let highestEnded = 0n;
  const byEnd = attempts.toSorted((a, b) => a.endedAt - b.endedAt);
  let ended = 0;
  for (const attempt of attempts.toSorted((a, b) => a.startedAt - b.startedAt)) {
    for (
      let next = byEnd[ended];
      next !== undefined && next.endedAt < attempt.startedAt;
      next = byEnd[ended]
    ) {
      if (next.outcome.kind === 'stored' && next.outcome.version > highestEnded) {
        highestEnded = next.outcome.version;
      }
      ended++;
    }
    const { outcome, eventIds } = attempt;
    const seen =
      outcome.kind === 'stored'
        ? outcome.firstVersion - 1n
        : outcome.kind === 'refused'
          ? outcome.actualVersion
          : undefined;
    if (seen !== undefined && seen < highestEnded) {
      faults.push(
        `the append of ${eventIds[0] ?? 'nothing'} saw version ${seen.toString()}, older than ${highestEnded.toString()}`,
      );
    }
  }
  return faults;
}
