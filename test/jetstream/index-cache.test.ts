import { setTimeout as sleep } from 'node:timers/promises';
import fc from 'fast-check';
import pino from 'pino';
import { callApi, streamInfo } from '../../src/jetstream/api';
import { IndexCache } from '../../src/jetstream/index-cache';
import { StoreUnavailableError } from '../../src/store/errors';
import { BrokenIndexError } from '../../src/jetstream/index-chain';
import { divideBucket, mergeFresh, publish, type IndexSizes } from '../../src/jetstream/index-merge';
import { bucketOf, encodeIndexRecord, EntryList } from '../../src/jetstream/index-record';
import { indexSubjects, type IndexStream } from '../../src/jetstream/index-stream';
import { indexConfig, openStream } from '../../src/jetstream/open-stream';
import { openPool, type NatsPool } from '../../src/jetstream/pool';
import { endless as call } from '../../src/jetstream/store-context';
import { defaultLimits } from '../../src/limits';
import { newStore } from '../contract/open';
import { natsOptions } from '../support/nats-options';
import { startNats, type TestNats } from '../support/nats-server';
import { bounded } from '../store/recorded-events';

/** What gateways have read of an index stays right, whatever they and others do to the index at the same time. */

let nats: TestNats;
let pool: NatsPool;

beforeAll(async () => {
  nats = await startNats();
  pool = await openPool(natsOptions(nats.url), defaultLimits, pino({ level: 'silent' }));
});

afterAll(async () => {
  await pool.close();
  await nats[Symbol.asyncDispose]();
});

/** So small that entries move all the time. */
const sizes: IndexSizes = {
  mergeRecordsMin: 3,
  mergeEntriesMin: 12,
  divideEntriesMin: 4,
  divideEntriesMax: 6,
};
const buckets = 2;
/** Here the log never goes back. */
const isOfLog = (): Promise<boolean> => Promise.resolve(true);

/** In two buckets with two cells each. */
const hash = fc
  .tuple(fc.nat(buckets - 1), fc.nat(1), fc.nat(1))
  .map(([bucket, cell, other]) => BigInt(bucket) | (BigInt(cell) << 8n) | (BigInt(other) << 16n));
const step = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('write'),
      by: fc.nat(1),
      hashes: fc.array(hash, { maxLength: 8 }),
    }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constantFrom('refresh', 'merge'), by: fc.nat(1) }) },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constantFrom('divide', 'look'),
      by: fc.nat(1),
      bucket: fc.nat(buckets - 1),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constantFrom('remake', 'empty', 'lose') }) },
);
type Step = { do: string; by?: number; bucket?: number; hashes?: bigint[] };

/** As the index writer does when it finds that records are gone. */
async function orRebuild(cache: IndexCache, work: Promise<unknown>): Promise<void> {
  await work.catch(async (error: unknown) => {
    if (!(error instanceof BrokenIndexError)) throw error;
    await cache.rebuild(error).catch(() => undefined);
  });
}

class World {
  /** Hash and position of all that the log has; positions are those of its commits. */
  readonly log: [hash: bigint, position: bigint][] = [];
  /** Whether records may be missing that nobody has written again since. */
  private hasLost = false;
  private readonly names = newStore();
  private readonly index: IndexStream = {
    pool,
    // Page by page, so that more can happen between them.
    limits: { ...defaultLimits, fetchMessagesMax: 1, readProgressTimeoutMs: 500 },
    index: { name: `${this.names.name}_INDEX`, replicas: 1 },
    indexConfig: indexConfig({ ...this.names, replicas: 1 }),
    logger: pino({ level: 'silent' }),
    subjects: indexSubjects(this.names.prefix),
  };
  /** One has room for what is in use only, and the other for all. */
  private readonly gateways = [1, 1 << 20].map((indexCacheBytesMax) => {
    const index = { ...this.index, limits: { ...this.index.limits, indexCacheBytesMax } };
    return { ...index, cache: new IndexCache(index, isOfLog) };
  });

  open(): Promise<unknown> {
    return openStream(pool.append(), indexConfig({ ...this.names, replicas: 1 }), {
      timeoutMs: 5_000,
      mayCreate: true,
    });
  }

  async run({ do: what, by = 0, bucket = 0, hashes = [] }: Step): Promise<void> {
    const gateway = this.gateways[by] as (typeof this.gateways)[number];
    if (what === 'refresh') await gateway.cache.refresh(call);
    else if (what === 'merge') await orRebuild(gateway.cache, this.merge(gateway));
    else if (what === 'divide') await orRebuild(gateway.cache, divideBucket(gateway, bucket, sizes, call));
    else if (what === 'look') await this.look(by, bucket);
    else if (what === 'remake') await this.remake();
    else if (what === 'empty') await this.empty();
    else if (what === 'lose') await this.lose();
    else await this.write(by, hashes);
  }

  /** As the index writer does: a commit with these hashes is in the log, and everything that is not covered gets a record. */
  private async write(by: number, hashes: readonly bigint[]): Promise<void> {
    const position = BigInt(this.log.length + 1);
    const added = hashes.map((one): [bigint, bigint] => [one, position]);
    this.log.push(...(added.length > 0 ? added : [[2n ** 63n, position] as [bigint, bigint]]));
    const through = this.log.at(-1)?.[1] as bigint;
    const { cache } = this.gateways[by] as (typeof this.gateways)[number];
    await cache.refresh(call);
    const list = new EntryList();
    for (const [one, at] of this.log) if (at > cache.covered && at <= through) list.add(one, at);
    const record = { hashes: list.hashes, positions: list.positions, after: cache.covered, through };
    if (record.after >= record.through) return;
    const message = {
      subject: this.index.subjects.fresh,
      body: encodeIndexRecord(record),
      previous: cache.lastSequence,
    };
    const outcome = await publish(this.index, [message]);
    if (outcome.kind === 'stored') cache.add({ ...record, sequence: outcome.sequence });
  }

  /** What is lost while somebody waits for it is no answer, and no wrong one. Nothing else is excused. */
  async runUnlessLost(one: Step): Promise<void> {
    await this.run(one).catch((error: unknown) => {
      if (!this.hasLost || !(error instanceof StoreUnavailableError)) throw error;
    });
  }

  /** Everything is in the index again, as soon as the writers of the index have come to it. */
  async recover(): Promise<void> {
    for (const by of [0, 1]) {
      await this.runUnlessLost({ do: 'merge', by });
      await this.runUnlessLost({ do: 'write', by, hashes: [] });
    }
    this.hasLost = false;
  }

  private async merge(gateway: (typeof this.gateways)[number]): Promise<void> {
    await gateway.cache.refresh(call);
    await mergeFresh(gateway, sizes, call);
  }

  private async remake(): Promise<void> {
    await callApi(pool.append(), `STREAM.DELETE.${this.index.index.name}`, undefined, { timeoutMs: 5_000 });
    await this.open();
  }

  /** As a gateway does that finds an index of what the log was before it went back. */
  private async empty(): Promise<void> {
    await callApi(pool.append(), `STREAM.PURGE.${this.index.index.name}`, {}, { timeoutMs: 5_000 });
  }

  /** Some records are gone, by a limit or by hand. */
  private async lose(): Promise<void> {
    this.hasLost = true;
    const { name } = this.index.index;
    const { state } = await streamInfo(pool.append(), name, undefined, { timeoutMs: 5_000 });
    for (let sequence = state.first_seq; sequence <= state.last_seq; sequence += 1 + (this.log.length % 7)) {
      const deleted = callApi(
        pool.append(),
        `STREAM.MSG.DELETE.${name}`,
        { seq: sequence },
        { timeoutMs: 5_000 },
      );
      // It may be gone already.
      await deleted.catch(() => undefined);
    }
  }

  /** Everything that is covered is found, and nothing that is not there. */
  async look(by: number, number: number): Promise<void> {
    const { cache } = this.gateways[by] as (typeof this.gateways)[number];
    await this.lookIn(cache, number);
  }

  /** The same by a gateway that has read nothing so far. */
  lookAnew(number: number): Promise<void> {
    return this.lookIn(new IndexCache(this.index, isOfLog), number);
  }

  private async lookIn(cache: IndexCache, number: number): Promise<void> {
    const wanted = new Set(this.log.map(([one]) => one).filter((one) => bucketOf(one) === number));
    for (const one of wanted) {
      const { positions, covered } = await cache.positions(one, call);
      const found = new Set(positions);
      const stored = this.log.filter(([other]) => other === one).map(([, position]) => position);
      expect([...found].filter((position) => !stored.includes(position))).toEqual([]);
      expect(stored.filter((position) => position <= covered && !found.has(position))).toEqual([]);
    }
  }
}

test('a look finds all that is covered, while others write, merge, divide and remake the index', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.array(step, { minLength: 1, maxLength: 3 }), { maxLength: 40, size: 'max' }),
      async (rounds) => {
        const world = new World();
        await world.open();
        // What is in one round happens at the same time.
        for (const steps of rounds) {
          const alone = steps.find(({ do: what }) => ['remake', 'empty', 'lose'].includes(what));
          if (alone !== undefined) await world.run(alone);
          else await Promise.all(steps.map((one) => world.runUnlessLost(one as Step)));
        }
        await world.recover();
        for (const by of [0, 1]) {
          await world.run({ do: 'merge', by });
          for (let bucket = 0; bucket < buckets; bucket++) {
            await world.look(by, bucket);
            await world.lookAnew(bucket);
          }
        }
      },
    ),
    { ...bounded, numRuns: 60 },
  );
}, 60_000);

test('a gateway that was away for a while takes in what others have merged meanwhile', async () => {
  const world = new World();
  await world.open();
  for (let round = 0n; round < 3n; round++) {
    for (const other of [1n, 2n, 3n, 4n])
      await world.run({ do: 'write', by: 0, hashes: [1n | ((4n * round + other) << 16n)] });
    await world.run({ do: 'merge', by: 0 });
    await world.run({ do: 'refresh', by: 1 });
    await world.run({ do: 'look', by: 1, bucket: 1 });
  }
});

test('a bucket is divided while it is read', async () => {
  const world = new World();
  await world.open();
  for (let round = 0; round < 30; round++) {
    for (let record = 0; record < 4; record++)
      await world.run({ do: 'write', by: 0, hashes: [0n, 256n, 1n << 16n] });
    await world.run({ do: 'merge', by: 0 });
    const looks = Array.from({ length: 8 }, async (_, index) => {
      await sleep(index / 2);
      await world.lookAnew(0);
    });
    await Promise.all([world.run({ do: 'divide', by: 0, bucket: 0 }), ...looks]);
  }
});
