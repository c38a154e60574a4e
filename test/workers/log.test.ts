import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, constants, mkdtempSync, openSync, readSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { buildOnce } from '../support/build';
import { until } from '../support/nats-server';

/** A log that goes into a pipe whose reader is slow: the pipe takes 64 KiB, and a part of a line if it is longer than 4 KiB. */

const folder = mkdtempSync(join(tmpdir(), 'sluice-workers-'));
const authFile = join(folder, 'auth.json');
const pipe = join(folder, 'log');
const rounds = 15;

/** Each content makes a line of more than 4 KiB, in each process. */
function breakAuthFile(round: number): void {
  const tokens = Array.from({ length: 100 }, (_, index) => ({ id: `${round}.${index}`, sha256: 'none' }));
  writeFileSync(authFile, JSON.stringify({ tokens, principals: {} }));
}

test('long lines of several workers stay whole', async () => {
  writeFileSync(authFile, JSON.stringify({ tokens: [], principals: {} }));
  execFileSync('mkfifo', [pipe]);
  const reader = openSync(pipe, constants.O_RDONLY | constants.O_NONBLOCK);
  const flags = ['--workers=2', '--listen=127.0.0.1:0', '--http-listen=off', `--auth-file=${authFile}`];
  const command = [await buildOnce(), ...flags, `--data-dir=${join(folder, 'data')}`];
  const gateway = spawn('sh', ['-c', 'exec "$0" "$@" 2>"$LOG"', process.execPath, ...command], {
    env: { ...process.env, LOG: pipe },
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const ended = once(gateway, 'close');
  try {
    await once(gateway.stdout, 'data');
    for (let round = 0; round < rounds; round++) {
      breakAuthFile(round);
      gateway.kill('SIGHUP');
      await sleep(200);
    }
    const isBroken = ({ msg }: Line): boolean => msg === 'the auth file cannot be used; nothing changes';
    let text = '';
    const lines = (): Line[] => linesOf((text += readSome(reader))).filter(isBroken);
    await until(() => [undefined, 1, 2].every((worker) => lines().some((line) => line.worker === worker)));
    gateway.kill('SIGTERM');
    await until(() => linesOf((text += readSome(reader))).some(({ msg }) => msg === 'stopped'), 20_000);
    expect(Math.max(...text.split('\n').map((line) => line.length))).toBeGreaterThan(4_096);
  } finally {
    gateway.kill('SIGKILL');
    await ended;
    closeSync(reader);
  }
}, 60_000);

interface Line {
  readonly msg: string;
  readonly worker?: number;
}

/** Fails if a line is broken. */
function linesOf(text: string): Line[] {
  return text
    .slice(0, text.lastIndexOf('\n') + 1)
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Line);
}

/** Empty if nothing waits. */
function readSome(fd: number): string {
  const buffer = Buffer.alloc(16_384);
  try {
    return buffer.toString('utf8', 0, readSync(fd, buffer));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EAGAIN') return '';
    throw error;
  }
}
