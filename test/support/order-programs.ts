import { deepStrictEqual, match, strictEqual } from 'node:assert';
import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { jsonEvent, type SluiceClient } from '../../src/client/client';
import { freePorts } from './free-ports';
import { until } from './nats-server';

/** What the programs of examples/order-read-model and examples/order-service must do, in every language but TypeScript. */

/** How to start a program; its arguments follow. */
export interface ProgramCommand {
  readonly command: readonly string[];
  readonly cwd: string;
  readonly env?: Readonly<Record<string, string>>;
}

/** The gateway that it uses, and a client of it. */
export interface ProgramGateway {
  readonly address: string;
  readonly client: SluiceClient;
}

/** For a program to start and to catch up on a busy machine. */
const comesBackMs = 60_000;

interface Program extends Disposable {
  readonly child: ChildProcess;
  /** Its exit code, and the signal that ended it. */
  readonly ended: Promise<unknown[]>;
  /** Waits for a text on stdout or stderr. */
  says(text: string): Promise<void>;
}

function start({ command, cwd, env }: ProgramCommand, ...args: readonly string[]): Program {
  const [file = '', ...first] = command;
  const child = spawn(file, [...first, ...args], {
    cwd,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let said = '';
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => (said += text));
  child.on('error', (error) => (said += error.message));
  return {
    child,
    ended: once(child, 'close'),
    says: (text) =>
      until(() => {
        if (child.exitCode !== null) throw new Error(`it ended: ${said}`);
        return said.includes(text);
      }, comesBackMs),
    [Symbol.dispose]() {
      child.kill('SIGKILL');
    },
  };
}

/** Both as JSON: within jest, lists of this file and of its environment are not of the same class. */
function expectSame(found: unknown, expected: unknown): void {
  const plain = (value: unknown): unknown => JSON.parse(JSON.stringify(value));
  deepStrictEqual(plain(found), plain(expected));
}

/** Places orders, and pays every second one; gives the total of those. */
async function placeOrders(client: SluiceClient, seed: string, orders: number): Promise<number> {
  let revenue = 0;
  for (let i = 0; i < orders; i++) {
    const stream = `order.${seed}-${i}`;
    const item = jsonEvent('ItemAdded', { sku: 'cup', quantity: 1 + i, priceCents: 1_005 });
    await client.append(stream, [jsonEvent('OrderPlaced', { customer: 'Ada' }), item, item]);
    if (i % 2 === 0) continue;
    await client.append(stream, [jsonEvent('OrderPaid', { by: 'card' })]);
    revenue += 2 * (1 + i) * 1_005;
  }
  return revenue;
}

/**
 * The read model has each event once, whenever it is killed. `program` gets `project ADDRESS FILE` and `summary FILE`. The store must
 * have no orders. Throws where something is wrong.
 */
export async function tryReadModel(
  program: ProgramCommand,
  { address, client }: ProgramGateway,
): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-orders-'));
  const file = join(folder, 'orders.db');
  try {
    let revenue = await placeOrders(client, 'a', 20);
    for (let kills = 0; kills < 3; kills++) {
      using projection = start(program, 'project', address, file);
      await projection.says(kills === 0 ? 'from the first event' : 'cursor');
      revenue += await placeOrders(client, `k${kills}`, 10);
      projection.child.kill('SIGKILL');
      await projection.ended;
    }
    using projection = start(program, 'project', address, file);
    await projection.says('live');
    const last = await client.append('order.last', [jsonEvent('OrderPlaced', { customer: 'Ada' })]);
    const summary = async (): Promise<string> => {
      const [command = '', ...args] = program.command;
      const options = { cwd: program.cwd, env: { ...process.env, ...program.env } };
      return (await promisify(execFile)(command, [...args, 'summary', file], options)).stdout;
    };
    await until(async () => (await summary()).includes(`cursor ${last.position.toString()}`), comesBackMs);
    projection.child.kill('SIGTERM');
    expectSame(await projection.ended, [0, null]);
    const printed = await summary();
    match(printed, /^paid +25 /m);
    match(printed, /^placed +26 /m);
    match(printed, new RegExp(`^revenue +${(revenue / 100).toFixed(2)}$`, 'm'));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/**
 * The order service decides again after a conflict, and refuses what an order does not allow. `program` gets `ADDRESS HOST:PORT`. The
 * store must not have the orders shop-1 to shop-3. Throws where something is wrong.
 */
export async function tryOrderService(
  program: ProgramCommand,
  { address, client }: ProgramGateway,
): Promise<void> {
  const [port] = await freePorts(1);
  const listening = `127.0.0.1:${String(port)}`;
  using service = start(program, address, listening);
  await service.says('listening');
  const call = async (method: string, path: string, body?: object): Promise<[number, unknown]> => {
    const options = { method, ...(body && { body: JSON.stringify(body) }) };
    const response = await fetch(`http://${listening}/orders/${path}`, options);
    return [response.status, response.status === 404 ? undefined : await response.json()];
  };
  const place = (): Promise<[number, unknown]> => call('PUT', 'shop-1', { customer: 'Ada' });
  expectSame(await place(), [200, { version: 1 }]);
  expectSame(await place(), [409, { error: 'the order exists' }]);
  const item = { sku: 'cup', quantity: 2, priceCents: 100 };
  expectSame(await call('POST', 'shop-2/items', item), [409, { error: 'there is no such order' }]);
  strictEqual((await call('PUT', 'a%20b', { customer: 'Ada' }))[0], 400);
  // At the same time, so that they meet conflicts.
  const added = await Promise.all(Array.from({ length: 6 }, () => call('POST', 'shop-1/items', item)));
  expectSame(
    added.map(([status]) => status),
    Array(6).fill(200),
  );
  expectSame(await call('POST', 'shop-1/payment'), [200, { version: 8 }]);
  expectSame(await call('POST', 'shop-1/cancellation'), [409, { error: 'the order is paid' }]);
  const state = { customer: 'Ada', status: 'paid', totalCents: 1_200, version: 8 };
  expectSame(await call('GET', 'shop-1'), [200, state]);
  strictEqual((await call('GET', 'shop-3'))[0], 404);
  const types: string[] = [];
  for await (const event of client.readStream('order.shop-1')) types.push(event.type);
  expectSame(types, ['OrderPlaced', ...Array<string>(6).fill('ItemAdded'), 'OrderPaid']);
  service.child.kill('SIGTERM');
  expectSame(await service.ended, [0, null]);
}
