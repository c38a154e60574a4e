import { execFileSync } from 'node:child_process';
import { closeSync, constants, mkdtempSync, openSync, readSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { LogWriter } from '../../src/serve/log-writer';
import { until } from '../support/nats-server';
import { patience } from '../support/patience';

const folder = mkdtempSync(join(tmpdir(), 'sluice-log-'));
afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

/** A pipe whose reader is the test, and the writer of a log into it. */
function openPipe(bytesMax: number): { writer: LogWriter; read: () => string } & Disposable {
  const path = join(folder, Math.random().toString());
  execFileSync('mkfifo', [path]);
  const reader = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  const fd = openSync(path, constants.O_WRONLY | constants.O_NONBLOCK);
  const buffer = Buffer.alloc(1 << 20);
  return {
    writer: new LogWriter({ fd, bytesMax, toNote: (lines) => `${lines} lines were dropped\n` }),
    read() {
      try {
        return buffer.toString('utf8', 0, readSync(reader, buffer));
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'EAGAIN') return '';
        throw error;
      }
    },
    [Symbol.dispose]() {
      closeSync(reader);
      closeSync(fd);
    },
  };
}

const line = (i: number): string => `${i}${'.'.repeat(999)}\n`;

test('a line is there at once while the reader keeps up', () => {
  using pipe = openPipe(10_000);
  for (let i = 0; i < 200; i++) {
    pipe.writer.write(line(i));
    expect(pipe.read()).toBe(line(i));
  }
});

test('a reader that stops makes nothing wait; what was dropped is said when it goes on', async () => {
  using pipe = openPipe(10_000);
  const began = performance.now();
  for (let i = 0; i < 1_000; i++) pipe.writer.write(line(i));
  expect(performance.now() - began).toBeLessThan(500 * patience);
  let text = '';
  await until(() => (text += pipe.read()).endsWith('lines were dropped\n'));
  const lines = text.trimEnd().split('\n');
  const kept = lines.slice(0, -1);
  // What the pipe takes, and what may wait: the oldest, in order, and each of them whole.
  expect(kept).toEqual(kept.map((_, i) => line(i).trimEnd()));
  expect(kept.length).toBeLessThan(100);
  expect(lines.at(-1)).toBe(`${1_000 - kept.length} lines were dropped`);
  pipe.writer.write(line(7));
  expect(pipe.read()).toBe(line(7));
});

test('a fatal line is never dropped', async () => {
  using pipe = openPipe(10_000);
  for (let i = 0; i < 1_000; i++) pipe.writer.write(line(i));
  pipe.writer.lastLevel = 60;
  pipe.writer.write('the end\n');
  let text = '';
  await until(() => (text += pipe.read()).includes('the end\n'));
});

test('the end of the process waits a second for a reader, and no longer', () => {
  using pipe = openPipe(10_000);
  for (let i = 0; i < 1_000; i++) pipe.writer.write(line(i));
  const began = performance.now();
  pipe.writer.flushSync();
  expect(performance.now() - began).toBeLessThan(2_000 * patience);
  expect(performance.now() - began).toBeGreaterThan(900);
});

test('lines that cannot be written are counted', () => {
  using pipe = openPipe(10_000);
  const full = openSync('/dev/full', 'w');
  try {
    const writer = new LogWriter({ fd: full, bytesMax: 10_000, toNote: () => 'never' });
    for (let i = 0; i < 100; i++) writer.write(line(i));
  } finally {
    closeSync(full);
  }
  expect(pipe.read()).toBe('');
});
