import type { GroupFacts } from '../store/consumer-groups';
import { Lag } from './lag';
import { counter, gauge, type Metric, type Sample } from './metric';

class KnownGroup {
  readonly lag = new Lag(() => ({ at: this.facts.floor, end: this.facts.head }));

  constructor(public facts: GroupFacts) {}
}

/** How far the groups that have members here are behind, in time. */
export class GroupLags {
  private readonly known = new Map<string, KnownGroup>();
  private lookedAtMs = -Infinity;

  constructor(
    private readonly facts: () => readonly GroupFacts[],
    private readonly ageMaxMs: number,
  ) {}

  /** To be called about once a second. Looks at the groups, unless that was done just now. */
  sample(): void {
    if (performance.now() - this.lookedAtMs < this.ageMaxMs) return;
    this.lookedAtMs = performance.now();
    const found = this.facts();
    const names = new Set<string>(found.map(({ name }) => name));
    for (const name of this.known.keys()) if (!names.has(name)) this.known.delete(name);
    for (const facts of found) this.note(facts);
  }

  /** A sample for each group. */
  of(value: (facts: GroupFacts, lag: Lag) => number): Sample[] {
    this.sample();
    return [...this.known].map(([group, { facts, lag }]) => ({
      labels: { group },
      value: value(facts, lag),
    }));
  }

  /** The same for a value with several names. */
  byName(label: string, values: (facts: GroupFacts) => Readonly<Record<string, number>>): Sample[] {
    this.sample();
    return [...this.known].flatMap(([group, { facts }]) =>
      Object.entries(values(facts)).map(([name, value]) => ({ labels: { group, [label]: name }, value })),
    );
  }

  private note(facts: GroupFacts): void {
    const { name } = facts;
    const entry = this.known.get(name);
    if (entry === undefined) this.known.set(name, new KnownGroup(facts));
    else entry.facts = facts;
    this.known.get(name)?.lag.sample();
  }
}

/** Metrics of the consumer groups that have members here. */
export function groupMetrics(groups: GroupLags): Metric[] {
  return [...progressMetrics(groups), ...deliveryMetrics(groups)];
}

function progressMetrics(groups: GroupLags): Metric[] {
  return [
    gauge('sluice_group_members', 'Members of a group.', 'sum', () => groups.of(({ members }) => members)),
    gauge('sluice_group_lanes_without_owner', 'Lanes that no member has.', 'max', () =>
      groups.of(({ lanesWithoutOwner }) => lanesWithoutOwner),
    ),
    gauge('sluice_group_floor_position', 'Everything up to here is settled.', 'max', () =>
      groups.of(({ floor }) => Number(floor)),
    ),
    gauge('sluice_group_lag_commits', 'Positions after it.', 'max', () => groups.of((_, lag) => lag.commits)),
    gauge('sluice_group_lag_seconds', 'For how long the group has been behind.', 'max', () =>
      groups.of((_, lag) => lag.seconds),
    ),
    gauge('sluice_group_oldest_unsettled_seconds', 'Age of the oldest unsettled event.', 'max', () =>
      groups.of(({ oldestTime }) => ageOf(oldestTime)),
    ),
    gauge('sluice_group_streams_waiting', 'Streams that an event holds up.', 'max', () =>
      groups.of(({ streamsWaiting }) => streamsWaiting),
    ),
    gauge('sluice_group_parked_events', 'Parked events.', 'max', () => groups.of(({ parked }) => parked)),
  ];
}

function deliveryMetrics(groups: GroupLags): Metric[] {
  return [
    counter('sluice_group_deliveries_total', 'Deliveries to members.', () =>
      groups.of(({ deliveries }) => deliveries),
    ),
    counter('sluice_group_redeliveries_total', 'Deliveries of what was delivered before.', () =>
      groups.of(({ redeliveries }) => redeliveries),
    ),
    counter('sluice_group_outcomes_total', 'What became of deliveries.', () =>
      groups.byName('outcome', ({ outcomes: { timedOut, ...outcomes } }) => ({
        ...outcomes,
        timed_out: timedOut,
      })),
    ),
  ];
}

/** In seconds, by the clock of this machine. */
function ageOf(time: bigint | undefined): number {
  return time === undefined ? 0 : Math.max(0, Date.now() / 1_000 - Number(time / 1_000_000n) / 1_000);
}
