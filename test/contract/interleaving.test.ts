import fc from 'fast-check';
import type { DeepPartial, QueryItem } from '../../generated/sluice/v1/event';
import type { AppendRequest } from '../../generated/sluice/v1/event_store_service';
import { startNats } from '../support/nats-server';
import { Problem, type ContractStore } from './contract-store';
import { newStore, openJetStream, openModel } from './open';

/**
 * Appends with and without conditions go through two gateways at once. Whatever the order was in which they were decided, the model, to
 * which they are given one after another as the log has them, decides the same: it stores each that was stored, and refuses each that
 * was refused, for the same event.
 */
const runs = 40;
/** A slow machine makes fewer runs. */
const timeMaxMs = 15_000;

interface Chosen {
  readonly via: number;
  readonly stream: string;
  readonly type: string;
  readonly tags: readonly string[];
  /** undefined: no condition. */
  readonly items: readonly Pick<QueryItem, 'eventTypes' | 'tags'>[] | undefined;
  /** How many of the commits that were acknowledged the caller has not seen. */
  readonly unseen: number;
}

const type = fc.constantFrom('A', 'B');
const tags = fc.subarray(['x', 'y', 'z']);
const item = fc
  .record({ eventTypes: fc.subarray(['A', 'B']), tags })
  .filter((one) => one.eventTypes.length + one.tags.length > 0);
const chosen: fc.Arbitrary<Chosen> = fc.record({
  via: fc.nat(1),
  stream: fc.constantFrom('s.1', 's.2', 's.3', 's.4'),
  type,
  tags,
  items: fc.oneof(
    { weight: 3, arbitrary: fc.array(item, { minLength: 1, maxLength: 2 }) },
    fc.constant(undefined),
  ),
  unseen: fc.oneof({ weight: 3, arbitrary: fc.constant(0) }, fc.nat(3)),
});
/** Each batch is sent at once. */
const batches = fc.array(fc.array(chosen, { minLength: 2, maxLength: 16 }), { minLength: 2, maxLength: 5 });

interface Decided {
  readonly request: DeepPartial<AppendRequest>;
  readonly after: bigint | undefined;
  readonly position: bigint | undefined;
  /** Of the refusal. */
  readonly refusal: Problem | undefined;
}

test(
  'appends through two gateways at once have a serial order that the model agrees with',
  async () => {
    await using nats = await startNats();
    const names = newStore();
    await using one = await openJetStream(nats.url, {}, names);
    await using two = await openJetStream(nats.url, {}, names);
    let run = 0;
    let refused = 0;
    const property = fc.asyncProperty(batches, async (all) => {
      const decided = await decide([one, two], `r${run++}`, all);
      refused += decided.filter(({ refusal }) => refusal !== undefined).length;
      await expectSerial(decided);
    });
    await fc.assert(property, { numRuns: runs, unbiased: true, interruptAfterTimeLimit: timeMaxMs });
    expect(refused).toBeGreaterThan(run);
  },
  3 * timeMaxMs,
);

async function decide(
  stores: readonly [ContractStore, ContractStore],
  run: string,
  all: readonly (readonly Chosen[])[],
): Promise<Decided[]> {
  const { position: base } = await stores[0].correlation({ correlationId: run });
  const decided: Decided[] = [];
  for (const [round, batch] of all.entries()) {
    const seen = [base, ...decided.flatMap(({ position }) => position ?? [])].sort((a, b) => Number(a - b));
    const sent = batch.map(async (one, number): Promise<Decided> => {
      const after = seen.at(-1 - Math.min(one.unseen, seen.length - 1)) as bigint;
      const id = `${run}-${round}-${number}`;
      const own = (names: readonly string[]): string[] => names.map((name) => `${run}:${name}`);
      const event = { id, type: `${run}-${one.type}`, tags: own(one.tags) };
      const items = one.items?.map((each) => ({
        eventTypes: each.eventTypes.map((name) => `${run}-${name}`),
        tags: own(each.tags),
      }));
      const request = { stream: `${run}.${one.stream}`, events: [event] };
      const condition = items && { query: { items }, afterPosition: after };
      const outcome = await (stores[one.via] as ContractStore).append({ ...request, condition }).then(
        ({ position }) => position,
        (error: unknown) => {
          if (error instanceof Problem && error.reason === 'APPEND_CONDITION_FAILED') return error;
          throw error;
        },
      );
      const isRefused = outcome instanceof Problem;
      return {
        request: { ...request, condition },
        after: condition && after,
        position: isRefused ? undefined : outcome,
        refusal: isRefused ? outcome : undefined,
      };
    });
    decided.push(...(await Promise.all(sent)));
  }
  return decided;
}

async function expectSerial(decided: readonly Decided[]): Promise<void> {
  await using model = await openModel();
  const stored = decided
    .filter(({ position }) => position !== undefined)
    .toSorted((a, b) => Number((a.position ?? 0n) - (b.position ?? 0n)));
  // The positions of the model, of as many commits as there are.
  const positions = [0n];
  const inModel = ({
    request: { condition, ...request },
    after = 0n,
  }: Decided): DeepPartial<AppendRequest> => {
    const seen = stored.filter(({ position = 0n }) => position <= after).length;
    const moved = condition && { ...condition, afterPosition: positions[seen] as bigint };
    return { ...request, condition: moved };
  };
  for (const one of stored) positions.push((await model.append(inModel(one))).position);
  for (const one of decided) {
    if (one.refusal === undefined) continue;
    const refusal: unknown = await model.append(inModel(one)).catch((error: unknown) => error);
    const at = positions.indexOf((refusal as Problem).data['position'] as bigint);
    const position = stored[at - 1]?.position;
    expect(refusal).toBeInstanceOf(Problem);
    expect({ ...(refusal as Problem).data, position }).toEqual(one.refusal.data);
  }
}
