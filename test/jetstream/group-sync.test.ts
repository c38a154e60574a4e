import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import pino from 'pino';
import { syncInGroups } from '../../src/nats-server/group-sync';
import type { Durability } from '../../src/store/durability';

const turn = promisify(setImmediate);

let dataDir: string;
let durability: Durability;
beforeEach(() => {
  dataDir = mkdtempSync(join(tmpdir(), 'sluice-group-sync-'));
  const streams = join(dataDir, 'jetstream', '$G', 'streams');
  mkdirSync(join(streams, 'EVENTS', 'msgs'), { recursive: true });
  writeFileSync(join(streams, 'EVENTS', 'msgs', '1.blk'), 'messages');
  durability = syncInGroups({ dataDir, stream: 'EVENTS', log: pino({ level: 'silent' }) });
  durability.begin();
});
afterEach(() => {
  rmSync(dataDir, { recursive: true, force: true });
});

/** Which of some promises are resolved when the first one is. */
async function resolvedWith(promises: readonly (Promise<void> | undefined)[]): Promise<boolean[]> {
  const resolved = promises.map((promise) => promise === undefined);
  for (const [index, promise] of promises.entries())
    void promise?.then(() => {
      resolved[index] = true;
    });
  await promises[0];
  await Promise.resolve();
  const now = [...resolved];
  for (const promise of promises) await promise;
  return now;
}

const later = (sequence: bigint): Promise<void> | undefined =>
  durability.whenDurable(sequence, performance.now() + 10_000, true);

test('who waits for what a sync covers that is under way waits for no other one', async () => {
  const first = later(10n);
  await turn();
  expect(await resolvedWith([first, later(7n), later(10n), later(11n), durability.whenAllDurable()])).toEqual(
    [true, true, true, false, false],
  );
  expect(durability.whenDurable(11n)).toBeUndefined();
});

test('a sync that began before the log went back covers nothing of what comes then', async () => {
  const first = later(10n);
  await turn();
  durability.forget();
  expect(await resolvedWith([first, later(7n)])).toEqual([true, false]);
  expect(durability.whenDurable(7n)).toBeUndefined();
});
