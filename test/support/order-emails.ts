import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { jsonEvent, type SluiceClient } from '../../src/client/client';
import { until } from './nats-server';
import type { ProgramCommand } from './order-programs';

/** The members of examples/order-emails at work: killed again and again, they must send each e-mail once. */

export const emailsGroup = 'order-emails';
const killEveryMs = 300;
/** For a member to start, to be noticed as gone, and to catch up on a busy machine. */
const comesBackMs = 60_000;

interface Outbox extends Disposable {
  readonly path: string;
  /** The names of the e-mails without their ending, sorted. */
  sent(): string[];
}

function makeOutbox(): Outbox {
  const path = mkdtempSync(join(tmpdir(), 'sluice-outbox-'));
  return {
    path,
    sent: () =>
      readdirSync(path)
        .filter((name) => name.endsWith('.eml'))
        .map((name) => name.replace('.eml', ''))
        .sort(),
    [Symbol.dispose]() {
      rmSync(path, { recursive: true, force: true });
    },
  };
}

/** A member over all its runs. */
interface RunningMember {
  child: ChildProcess;
  /** What it has printed, of all its runs. */
  printed: string;
  said: string;
  /** The length of what the runs before had printed. */
  printedBefore: number;
}

/**
 * Appends orders while the members work and are killed in turn. Gives why each of them failed; undefined for those that did what they
 * must. The store must have no orders.
 */
export async function sendEmails(
  client: SluiceClient,
  address: string,
  commands: readonly ProgramCommand[],
  orders: number,
): Promise<(string | undefined)[]> {
  using outbox = makeOutbox();
  await client.groups.create(emailsGroup, {
    settings: { patterns: ['order.*'], eventTypes: ['OrderPlaced', 'OrderShipped'] },
  });
  const members = commands.map((command) => {
    const child = spawnMember(command, address, outbox);
    const member: RunningMember = { child, printed: '', said: '', printedBefore: 0 };
    listen(member);
    return member;
  });
  const restart = (index: number): void => {
    const member = members[index] as RunningMember;
    // On a slow machine one that starts would never come to its work.
    if (!/^sent /m.test(member.printed.slice(member.printedBefore))) return;
    member.child.kill('SIGKILL');
    member.printedBefore = member.printed.length;
    member.child = spawnMember(commands[index] as ProgramCommand, address, outbox);
    listen(member);
  };
  const count = async (): Promise<number> => (await client.groups.get(emailsGroup)).members.length;
  try {
    await until(async () => (await count()) === members.length, comesBackMs);
    let turn = 0;
    const killing = setInterval(() => {
      restart(turn++ % members.length);
    }, killEveryMs);
    const expected = await placeOrders(client, orders).finally(() => {
      clearInterval(killing);
    });
    await until(() => outbox.sent().length >= expected.sent.length, comesBackMs).catch(() => undefined);
    await until(async () => (await count()) === members.length, comesBackMs);
    const why = await wrong(client, outbox, expected, members);
    return await Promise.all(members.map(async (member) => why ?? (await stop(member))));
  } finally {
    for (const { child } of members) child.kill('SIGKILL');
  }
}

interface Expected {
  readonly sent: readonly string[];
  readonly parked: readonly string[];
}

/** Every tenth order has no address. Between the commits of an order, those of others come. */
async function placeOrders(client: SluiceClient, orders: number): Promise<Expected> {
  const sent: string[] = [];
  const parked: string[] = [];
  for (const [version, type] of ['OrderPlaced', 'OrderPaid', 'OrderShipped'].entries()) {
    for (let order = 1; order <= orders; order++) {
      const hasAddress = order % 10 !== 0;
      const stream = `order.${1_000 + order}`;
      await client.append(stream, [jsonEvent(type, hasAddress ? { email: `c${order}@example.com` } : {})]);
      if (type !== 'OrderPaid') (hasAddress ? sent : parked).push(`${stream}-${version + 1}`);
      await sleep(5);
    }
  }
  return { sent: sent.sort(), parked: parked.sort() };
}

/** What is not as it must be, for all members. */
async function wrong(
  client: SluiceClient,
  outbox: Outbox,
  expected: Expected,
  members: readonly RunningMember[],
): Promise<string | undefined> {
  const parked = async (): Promise<string[]> => {
    const found: string[] = [];
    for await (const { stream, version } of client.groups.listParked(emailsGroup))
      found.push(`${stream}-${version.toString()}`);
    return found.sort();
  };
  await until(async () => (await parked()).length >= expected.parked.length, comesBackMs).catch(
    () => undefined,
  );
  const problems = [
    difference('the outbox', expected.sent, outbox.sent()),
    difference('the list of parked events', expected.parked, await parked()),
    ...expected.sent.map((key) => wrongText(outbox, key)),
  ];
  const lines = members
    .flatMap(({ printed }) => printed.split('\n'))
    .filter((line) => line.startsWith('sent '));
  const twice = lines
    .filter((line) => !line.startsWith('sent before'))
    .find((line, i, all) => all.indexOf(line) < i);
  if (twice !== undefined) problems.push(`it is printed twice: ${twice}`);
  return problems.find((problem) => problem !== undefined);
}

function difference(what: string, expected: readonly string[], found: readonly string[]): string | undefined {
  const missing = expected.filter((key) => !found.includes(key));
  const more = found.filter((key) => !expected.includes(key));
  if (missing.length + more.length === 0) return undefined;
  return `${what} lacks ${missing.join(' ')} and has ${more.join(' ')} too much`;
}

function wrongText(outbox: Outbox, key: string): string | undefined {
  const text = readFileSync(join(outbox.path, `${key}.eml`), 'utf8');
  const [, order = '', version = ''] = /^order\.1(\d+)-(\d)$/.exec(key) ?? [];
  const subject = version === '1' ? 'Thank you for your order' : 'Your order is on its way';
  const expected = `To: c${Number(order)}@example.com\nMessage-ID: <${key}@shop.example.com>\nSubject: ${subject}\n`;
  return text === expected ? undefined : `${key} is ${JSON.stringify(text)}`;
}

/** A member that has sent nothing took no part. */
async function stop({ child, printed, said }: RunningMember): Promise<string | undefined> {
  child.kill('SIGTERM');
  const [code, signal] = (await once(child, 'exit', {
    signal: AbortSignal.timeout(comesBackMs),
  })) as unknown[];
  if (code !== 0) return `it ended with ${String(code ?? signal)}: ${said.slice(-2_000)}`;
  return /^sent /m.test(printed) ? undefined : `it has sent nothing: ${said.slice(-2_000)}`;
}

/** The address of a gateway and the outbox folder are its arguments. */
function spawnMember({ command, cwd }: ProgramCommand, address: string, outbox: Outbox): ChildProcess {
  const [file = '', ...args] = command;
  return spawn(file, [...args, address, outbox.path], { cwd, stdio: ['ignore', 'pipe', 'pipe'] });
}

function listen(member: RunningMember): void {
  const { child } = member;
  child.stdout?.setEncoding('utf8').on('data', (text: string) => (member.printed += text));
  child.stderr?.setEncoding('utf8').on('data', (text: string) => (member.said += text));
}
