import { IdMemory } from '../../src/jetstream/append/id-memory';
import type { LogObservation } from '../../src/jetstream/log/log-observation';
import { uuidV7 } from '../../src/uuid';
import type { CommitId } from '../../src/store/values';

/** A commit id is left to the server's memory only while that has been seen to be whole since before the id was made. */

const startMs = 1_750_000_000_000;

/** What a gateway sees whose clock is right, `seconds` after its start. */
function at(seconds: number, change: Partial<LogObservation> = {}): LogObservation {
  const nowMs = startMs + seconds * 1_000;
  const monotonicMs = seconds * 1_000;
  return {
    windowMs: 120_000,
    log: 'created leader',
    serverMs: nowMs,
    nowMs,
    monotonicMs,
    tookMs: 2,
    ...change,
  };
}

const idMade = (seconds: number): CommitId => uuidV7(startMs + seconds * 1_000) as CommitId;

/** Whether an id is covered that was made and comes at these seconds. */
function covers(memory: IdMemory, made: number, comes = made): boolean {
  return memory.covers(idMade(made), startMs + comes * 1_000);
}

function memoryAt(seconds: number): IdMemory {
  const memory = new IdMemory(startMs);
  memory.observe(at(seconds));
  return memory;
}

test('an id is covered once, if it was made after the server was first seen', () => {
  const memory = memoryAt(0);
  const id = idMade(5);
  expect(memory.covers(id, startMs + 5_100)).toBe(true);
  expect(memory.covers(id, startMs + 5_200)).toBe(false);
  expect(covers(memory, -1, 5)).toBe(false);
  expect(covers(memory, 0.5, 5)).toBe(false);
  expect(covers(memory, 5, 65)).toBe(false); // half of the window is over
  expect(covers(memory, 8, 5)).toBe(false); // made in the future: a clock is wrong
});

test('no id is covered that says nothing of its age, or before the server was seen, or while it is away', () => {
  expect(memoryAt(0).covers('6f1f2c7e-58a0-4d5e-9f0a-3a8f0a5f4a11' as CommitId, startMs + 5_000)).toBe(false);
  const memory = new IdMemory(startMs);
  expect(covers(memory, 5)).toBe(false);
  memory.observe(at(6));
  expect(covers(memory, 5.5, 7)).toBe(false);
  expect(covers(memory, 8)).toBe(true);
  memory.lose();
  expect(covers(memory, 9)).toBe(false);
  memory.observe(at(20));
  expect(covers(memory, 15, 20.5)).toBe(false);
  expect(covers(memory, 22)).toBe(true);
});

const changes: readonly (readonly [string, Partial<LogObservation>])[] = [
  ['the window is lowered', { windowMs: 60_000 }],
  ['the window is raised', { windowMs: 240_000 }],
  ['another server leads, or the log was created again', { log: 'created other' }],
  ['the clock of the server is set forward', { serverMs: startMs + 110_000 }],
  ['the clock of the server is set back', { serverMs: startMs - 90_000 }],
  ['both clocks are set', { serverMs: startMs + 10_000, monotonicMs: 4_000 }],
];

test.each(changes)('only ids are covered that were made since %s', (_, change) => {
  const memory = memoryAt(0);
  memory.observe(at(5));
  expect(covers(memory, 8, 10)).toBe(true);
  memory.observe(at(10, change));
  expect(covers(memory, 9, 10.5)).toBe(false);
  const seconds = Math.max(10, ((change.serverMs ?? 0) - startMs) / 1_000);
  expect(covers(memory, seconds + 2)).toBe(true);
});

test('an answer that takes its time, and clocks that differ, change nothing', () => {
  const memory = new IdMemory(startMs);
  memory.observe(at(0, { serverMs: startMs - 30_000 }));
  memory.observe(at(5, { serverMs: startMs - 28_500, tookMs: 3_000 }));
  expect(covers(memory, 3, 5)).toBe(true);
});

test('a window of a few seconds is not counted on', () => {
  const memory = new IdMemory(startMs);
  memory.observe(at(0, { windowMs: 2_000 }));
  expect(covers(memory, 5, 5.1)).toBe(false);
});

test('ids that are too many to be noted are not covered any more', () => {
  const memory = memoryAt(0);
  const old = idMade(5);
  expect(memory.covers(old, startMs + 5_000)).toBe(true);
  for (let count = 0; count < 300_000; count++) covers(memory, 6 + count / 100_000);
  expect(memory.covers(old, startMs + 9_500)).toBe(false);
  expect(covers(memory, 9.5)).toBe(true);
});
