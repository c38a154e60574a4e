import type { DeepPartial, QueryItem } from '../../generated/sluice/v1/event';
import { Direction } from '../../generated/sluice/v1/event_store_service';
import { randomFrom, type Random } from '../support/random';
import { Problem, type ContractStore, type StoredEvent } from './contract-store';
import { plainEvents, range } from './events';
import type { OpenContract } from './open';

const types = ['A', 'B', 'C'];
const tags = ['x:1', 'x:2', 'y:1', 'y:2'];
const callers = 24;
const rounds = 4;

type Item = DeepPartial<QueryItem>;

/** What a caller decided by. */
interface Decided {
  readonly items: readonly Item[];
  /** The position of the last event that it had seen of these; 0: it had seen no such event. */
  readonly last: bigint;
}

/** What holds of a log whatever its callers do at the same time. The ideas are those of the tests of dcb.events. */
export function decisionContract(open: OpenContract): void {
  consistency(open);
  parallelWrites(open);
}

function consistency(open: OpenContract): void {
  test('each of many decisions at once, by any kind of query, follows the last event that it was based on', async () => {
    await using fresh = await open();
    const decided = new Map<string, Decided>();
    const outcomes = await Promise.all(
      range(1, callers).flatMap(async (caller) => {
        const random = randomFrom(caller);
        const stored: boolean[] = [];
        for (const round of range(1, rounds))
          stored.push(await decideOnce(fresh, random, `${caller}-${round}`, decided));
        return stored;
      }),
    );
    const { events } = await fresh.all({});
    expect(disorderIn(events)).toEqual([]);
    expect(faultsOf(events, decided)).toEqual([]);
    // Both happen, or nothing was tested.
    expect(new Set(outcomes.flat())).toEqual(new Set([true, false]));
    expect(events.filter(({ id }) => decided.has(id))).toHaveLength(outcomes.flat().filter(Boolean).length);
  }, 120_000);
}

/** Looks with a query, and appends one to five events on condition that it selects nothing since; whether they are stored. */
async function decideOnce(
  store: ContractStore,
  random: Random,
  name: string,
  decided: Map<string, Decided>,
): Promise<boolean> {
  const items = chooseItems(random);
  const query = { items };
  const { events: seen } = await store.all({ query, direction: Direction.BACKWARD, maxCount: 1n });
  const last = seen[0]?.position ?? 0n;
  const events = range(1, 1 + Math.floor(random() * 5)).map((number) => ({
    id: `${name}-${number}`,
    type: some(random, types, 1)[0] as string,
    tags: some(random, tags, 2),
  }));
  decided.set(`${name}-1`, { items, last });
  const stream = `decided.${Math.floor(random() * 6)}`;
  try {
    await store.append({ stream, events, condition: { query, afterPosition: last } });
    return true;
  } catch (error) {
    if (!(error instanceof Problem) || error.reason !== 'APPEND_CONDITION_FAILED') throw error;
    return false;
  }
}

/** By tags, by types, by both, or by either of two such items. */
function chooseItems(random: Random): Item[] {
  const both = (): Item => ({ eventTypes: some(random, types, 1), tags: some(random, tags, 1) });
  switch (Math.floor(random() * 4)) {
    case 0:
      return [{ tags: some(random, tags, 2) }];
    case 1:
      return [{ eventTypes: some(random, types, 2) }];
    case 2:
      return [{ eventTypes: some(random, types, 2), tags: some(random, tags, 2) }];
    default:
      return [both(), both()];
  }
}

/** From one to `most` of them, each once. */
function some(random: Random, of: readonly string[], most: number): string[] {
  const count = 1 + Math.floor(random() * most);
  const begin = Math.floor(random() * of.length);
  return range(0, count - 1).map((index) => of[(begin + index) % of.length] as string);
}

function selects(items: readonly Item[], { type, tags: has }: StoredEvent): boolean {
  return items.some(
    (item) =>
      ((item.eventTypes?.length ?? 0) === 0 || item.eventTypes?.includes(type)) &&
      (item.tags ?? []).every((tag) => has.includes(tag)),
  );
}

function faultsOf(events: readonly StoredEvent[], decided: ReadonlyMap<string, Decided>): string[] {
  return events.flatMap(({ id, position }, at) => {
    const decision = decided.get(id);
    if (decision === undefined) return [];
    const before = events.slice(0, at).filter((event) => event.position < position);
    const found = before.findLast((event) => selects(decision.items, event))?.position ?? 0n;
    return found === decision.last ? [] : [`${id} was decided after ${decision.last}, and follows ${found}`];
  });
}

/** Positions may have gaps, but they grow from commit to commit, and no event is stored twice. */
function disorderIn(events: readonly StoredEvent[]): string[] {
  const twice = events.length - new Set(events.map(({ id }) => id)).size;
  const back = events.filter(({ position }, at) => position < (events[at - 1]?.position ?? 0n));
  return [
    ...back.map(({ id, position }) => `${id} at ${position} follows a later one`),
    ...(twice > 0 ? [`${twice} events are stored twice`] : []),
  ];
}

function parallelWrites(open: OpenContract): void {
  test('of many appends at once each is stored once and whole, and no other one is between its events', async () => {
    await using fresh = await open();
    const appended = await Promise.all(
      range(1, 40).map(async (caller) => {
        const prefix = `p${caller}`;
        const events = plainEvents(1 + (caller % 5), `${prefix}-`).map((event) => ({
          ...event,
          tags: [prefix],
        }));
        const condition = caller % 2 === 0 ? { query: { items: [{ tags: [prefix] }] } } : undefined;
        const { position } = await fresh.append({ stream: `parallel.${caller % 7}`, events, condition });
        return { position, ids: events.map(({ id }) => id) };
      }),
    );
    expect(new Set(appended.map(({ position }) => position)).size).toBe(appended.length);
    const { events } = await fresh.all({});
    expect(disorderIn(events)).toEqual([]);
    const inOrder = appended.toSorted((one, other) => Number(one.position - other.position));
    expect(events.map(({ id }) => id)).toEqual(inOrder.flatMap(({ ids }) => ids));
  }, 120_000);
}
