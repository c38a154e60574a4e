import type { RecordedEvent } from '../../generated/sluice/v1/event';

/** One append as its caller observed it. All times are from one clock. */
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
  /** Refused: nothing may be stored. `actualVersion` is set if a conflict named it. */
  | { readonly kind: 'refused'; readonly actualVersion: bigint | undefined }
  /** May be stored, or not, but not in part. */
  | { readonly kind: 'unknown' };

/** What one caller observed of the stream: the answer of GetVersion, or a read from the leader. */
export interface Look {
  readonly startedAt: number;
  readonly endedAt: number;
  /** The reported version of the stream. */
  readonly version: bigint;
  /** A read of everything from a version on. */
  readonly read: { readonly fromVersion: bigint; readonly eventIds: readonly string[] } | undefined;
}

/**
 * The faults in the history of one stream: its attempts, what was observed of it, and all its events as read at the end. Empty if
 * the history is linearizable: every attempt and every lookup took effect at one moment between its start and its end, attempts
 * as a whole and one after the other, conflicts because the stream had another version at that moment, and every read is a
 * part of the final log.
 */
export function historyFaults(
  attempts: readonly Attempt[],
  events: readonly RecordedEvent[],
  looks: readonly Look[] = [],
): string[] {
  const placesOf = groupBy(events, ({ id }) => id);
  return [
    ...numberingFaults(events),
    ...originFaults(attempts, events),
    ...sharedPositions(attempts, events),
    ...attempts.flatMap((attempt) => outcomeFaults(attempt, placesOf)),
    ...looks.flatMap((look) => readFaults(look, events)),
    ...orderFaults(attempts, events, looks),
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

function outcomeFaults(attempt: Attempt, placesOf: ReadonlyMap<string, RecordedEvent[]>): string[] {
  const { eventIds, expectedVersion, outcome } = attempt;
  const name = nameOf(attempt);
  const stored = eventIds
    .flatMap((id) => placesOf.get(id) ?? [])
    .sort((a, b) => Number(a.version - b.version));
  if (outcome.kind === 'refused') {
    const { actualVersion } = outcome;
    return [
      ...(stored.length === 0 ? [] : [`${name} was refused, but is stored`]),
      ...(actualVersion === undefined || actualVersion !== expectedVersion
        ? []
        : [`${name} was refused although it expected the actual version`]),
    ];
  }
  if (stored.length === 0) return outcome.kind === 'stored' ? [`${name} was acknowledged, but is lost`] : [];
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
    faults.push(`${name} was acknowledged with another place than it has`);
  }
  return faults;
}

/** A read has all that the log has between two versions, and nothing else. */
function readFaults({ version, read }: Look, events: readonly RecordedEvent[]): string[] {
  if (read === undefined) return [];
  const from = Number(read.fromVersion) - 1;
  const there = events.slice(from, Math.max(from, Number(version))).map(({ id }) => id);
  if (there.length !== read.eventIds.length) {
    return [
      `a read from ${from + 1} to ${version.toString()} has ${read.eventIds.length} events of ${there.length}`,
    ];
  }
  const wrong = read.eventIds.findIndex((id, index) => id !== there[index]);
  return wrong === -1 ? [] : [`a read has another event at version ${from + 1 + wrong} than the log`];
}

function nameOf({ eventIds }: Attempt): string {
  return `the append of ${eventIds[0] ?? 'nothing'}`;
}

/** Something that must have happened at one moment between its start and its end. */
interface Happening {
  readonly name: string;
  /** The version of the stream from that moment on. */
  readonly version: bigint;
  readonly startedAt: number;
  readonly endedAt: number;
}

/**
 * The log gives the order in which things must have happened: each commit, then everything that observed the version to which it
 * led, then the next commit. This is possible unless something ended before something earlier in that order began.
 */
function orderFaults(
  attempts: readonly Attempt[],
  events: readonly RecordedEvent[],
  looks: readonly Look[],
): string[] {
  const commits = commitsOf(attempts, events);
  const sights = sightsOf(attempts, looks);
  const known = new Set([0n, ...commits.map(({ last }) => last)]);
  const faults = [...sights]
    .filter(([version]) => !known.has(version))
    .flatMap(([version, all]) =>
      all.map(({ name }) => `${name} saw version ${version.toString()}, with which no commit ended`),
    );
  let latest: Happening | undefined;
  const happen = (group: readonly Happening[]): void => {
    for (const one of group) {
      if (latest === undefined || latest.startedAt <= one.endedAt) continue;
      faults.push(
        `${latest.name} came to version ${latest.version.toString()}, older than version ` +
          `${one.version.toString()} that ${one.name} had reported before`,
      );
    }
    for (const one of group) if (latest === undefined || one.startedAt > latest.startedAt) latest = one;
  };
  happen(sights.get(0n) ?? []);
  for (const { happening, last } of commits) {
    happen(happening);
    happen(sights.get(last) ?? []);
  }
  return faults;
}

/** The commits of the log, each with what its attempts say about it. */
function commitsOf(
  attempts: readonly Attempt[],
  events: readonly RecordedEvent[],
): { readonly last: bigint; readonly happening: readonly Happening[] }[] {
  const byFirst = groupBy(attempts, ({ eventIds }) => eventIds[0]);
  const firsts = events.filter(({ position }, index) => events[index - 1]?.position !== position);
  return firsts.map((first, index) => {
    const next = firsts[index + 1];
    const last = next === undefined ? BigInt(events.length) : next.version - 1n;
    const same = byFirst.get(first.id) ?? [];
    if (same.length === 0) return { last, happening: [] };
    // It was repeated until it was acknowledged. Without an acknowledgement it may have happened at any time.
    const acknowledged = same.filter(({ outcome }) => outcome.kind === 'stored');
    const happening = {
      name: nameOf(same[0] as Attempt),
      version: last,
      startedAt: Math.min(...same.map(({ startedAt }) => startedAt)),
      endedAt: Math.min(...acknowledged.map(({ endedAt }) => endedAt)),
    };
    return { last, happening: [happening] };
  });
}

/** What observed the stream at a version: lookups, and appends that were refused because of it. */
function sightsOf(attempts: readonly Attempt[], looks: readonly Look[]): Map<bigint, Happening[]> {
  const conflicts = attempts.flatMap((attempt) => {
    const { startedAt, endedAt, outcome } = attempt;
    if (outcome.kind !== 'refused' || outcome.actualVersion === undefined) return [];
    return [{ name: nameOf(attempt), version: outcome.actualVersion, startedAt, endedAt }];
  });
  const seen = looks.map(({ version, read, startedAt, endedAt }) => ({
    name: read === undefined ? 'a lookup of the version' : 'a read',
    ...{ version, startedAt, endedAt },
  }));
  return groupBy([...conflicts, ...seen], ({ version }) => version);
}

function groupBy<T, K>(all: readonly T[], keyOf: (one: T) => K): Map<K, T[]> {
  const groups = new Map<K, T[]>();
  for (const one of all) {
    const group = groups.get(keyOf(one));
    if (group === undefined) groups.set(keyOf(one), [one]);
    else group.push(one);
  }
  return groups;
}
