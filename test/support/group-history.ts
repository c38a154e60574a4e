/** One delivery of a group as its member observed it. All times are from one clock, and no two are the same. */
export interface ObservedDelivery {
  readonly member: string;
  readonly stream: string;
  /** In order. */
  readonly versions: readonly number[];
  readonly redelivered: boolean;
  readonly replayed: boolean;
  readonly startedAt: number;
  /** When the member said what became of it, or lost it; undefined: never. */
  endedAt?: number;
  /** `lost`: its lane went to another member, or the member or its gateway went away or was stopped. */
  outcome?: 'acknowledged' | 'retried' | 'parked' | 'skipped' | 'lost';
  /** The number of its events that were done. */
  handled?: number;
}

export interface GroupHistory {
  /** The versions of each stream that the group selects, in order. */
  readonly log: ReadonlyMap<string, readonly number[]>;
  readonly deliveries: readonly ObservedDelivery[];
  /** What is parked at the end, as "stream version". */
  readonly parked: ReadonlySet<string>;
  /** Whether all of the log should be settled by now. */
  readonly isComplete: boolean;
}

/**
 * The faults of a history; empty if each event was acknowledged, skipped or parked, once unless it was delivered again as such, in
 * order for each stream, with none left out, and none with two members at a time.
 */
export function groupFaults(history: GroupHistory): string[] {
  const streams = new Set([...history.log.keys(), ...history.deliveries.map(({ stream }) => stream)]);
  return [...streams].flatMap((stream) => {
    const deliveries = history.deliveries
      .filter((delivery) => delivery.stream === stream)
      .toSorted((a, b) => a.startedAt - b.startedAt);
    const log = history.log.get(stream) ?? [];
    return [
      ...strangerFaults(stream, log, deliveries),
      ...overlapFaults(stream, deliveries),
      ...orderFaults(stream, log, deliveries),
      ...(history.isComplete ? lossFaults(stream, log, deliveries, history.parked) : []),
      ...doubleFaults(stream, log, deliveries, history.parked),
      ...repeatFaults(stream, deliveries),
    ];
  });
}

function strangerFaults(
  stream: string,
  log: readonly number[],
  deliveries: readonly ObservedDelivery[],
): string[] {
  const known = new Set(log);
  return deliveries.flatMap(({ versions }) =>
    versions
      .filter((version) => !known.has(version))
      .map((version) => `${stream} ${version} was delivered and is not in the log`),
  );
}

/** A stream is with one member at a time. */
function overlapFaults(stream: string, deliveries: readonly ObservedDelivery[]): string[] {
  return deliveries.flatMap((delivery, index) =>
    deliveries
      .slice(0, index)
      .filter(({ endedAt }) => endedAt === undefined || endedAt > delivery.startedAt)
      .map(
        ({ member }) =>
          `${stream} ${delivery.versions.join()} went to ${delivery.member} while ${member} had the stream`,
      ),
  );
}

/** The events of a delivery that are settled by it. A parked or skipped event is the one after those that were handled. */
function settledBy({ versions, outcome, handled = 0 }: ObservedDelivery): readonly number[] {
  switch (outcome) {
    case 'acknowledged':
      return versions;
    case 'parked':
    case 'skipped':
      return versions.slice(0, handled + 1);
    case 'retried':
      return versions.slice(0, handled);
    default:
      return [];
  }
}

/** Before an event is delivered, everything before it on its stream is settled, or was parked by a gateway. */
function orderFaults(
  stream: string,
  log: readonly number[],
  deliveries: readonly ObservedDelivery[],
): string[] {
  const faults: string[] = [];
  const begun = new Set<number>();
  for (const delivery of deliveries.filter(({ replayed }) => !replayed)) {
    const { versions, startedAt } = delivery;
    const settled = new Set(
      deliveries.filter(({ endedAt }) => (endedAt ?? Infinity) <= startedAt).flatMap(settledBy),
    );
    const first = versions[0] as number;
    const open = log.filter((version) => version < first && !settled.has(version));
    // Attempts that failed until the last one are parked by the gateway, and what follows with them.
    const unknown = open.filter(
      (version) => !begun.has(version) || isOpenAttempt(version, deliveries, startedAt),
    );
    if (unknown.length > 0) faults.push(`${stream} ${first} was delivered before ${unknown.join()}`);
    if (versions.some((version, index) => index > 0 && version <= (versions[index - 1] as number)))
      faults.push(`${stream} ${versions.join()} is out of order`);
    for (const version of versions) begun.add(version);
  }
  return faults;
}

/** Whether the last delivery of an event before a time neither failed nor was settled. */
function isOpenAttempt(version: number, deliveries: readonly ObservedDelivery[], before: number): boolean {
  const last = deliveries.findLast(
    ({ versions, startedAt }) => startedAt < before && versions.includes(version),
  );
  return last?.outcome === undefined || last.outcome === 'lost' || last.outcome === 'acknowledged';
}

function lossFaults(
  stream: string,
  log: readonly number[],
  deliveries: readonly ObservedDelivery[],
  parked: ReadonlySet<string>,
): string[] {
  const settled = new Set(deliveries.flatMap(settledBy));
  return log
    .filter((version) => !settled.has(version) && !parked.has(`${stream} ${version}`))
    .map((version) => `${stream} ${version} was neither settled nor parked`);
}

/** An event is parked because a delivery of it, or of an event before it, did not end with an acknowledgement. */
function doubleFaults(
  stream: string,
  log: readonly number[],
  deliveries: readonly ObservedDelivery[],
  parked: ReadonlySet<string>,
): string[] {
  return log
    .filter((version) => parked.has(`${stream} ${version}`))
    .filter((version) => {
      const own = deliveries.filter(({ versions }) => versions.includes(version));
      return own.length > 0 && own.every(({ outcome }) => outcome === 'acknowledged');
    })
    .map((version) => `${stream} ${version} was acknowledged, and is parked too`);
}

/** What was acknowledged comes again only as redelivered, or because somebody asked for a replay. */
function repeatFaults(stream: string, deliveries: readonly ObservedDelivery[]): string[] {
  const acknowledged = new Map<number, number>();
  return deliveries.flatMap((delivery) => {
    const { versions, redelivered, replayed, startedAt } = delivery;
    const repeated = versions.filter(
      (version) => (acknowledged.get(version) ?? Infinity) < startedAt && !redelivered && !replayed,
    );
    for (const version of settledBy(delivery)) acknowledged.set(version, delivery.endedAt ?? startedAt);
    return repeated.map((version) => `${stream} ${version} was settled, and came again as if it were new`);
  });
}
