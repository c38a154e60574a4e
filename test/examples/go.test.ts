import { execFile, execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { startCommandGateway, type CommandGateway } from '../cli/gateway-commands';
import { jsonEvent, parseJson, type NewEvent } from '../../src/client/client';
import { root } from '../docs/markdown';
import { freePorts, until } from '../support/nats-server';

/** The examples in Go as users run them. `npm run conformance` runs the e-mails, beside those in other languages. */

const run = promisify(execFile);
const timeoutMs = 300_000;

function hasGo(): boolean {
  try {
    execFileSync('go', ['version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

const isThere = hasGo();
if (!isThere) process.stderr.write('SKIPPED: the examples in Go, because Go is not installed\n');
// In CI nothing is skipped.
const withGo = isThere || process.env['CI'] === 'true' ? test : test.skip;

const folder = mkdtempSync(join(tmpdir(), 'sluice-go-examples-'));
afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

async function build(example: string): Promise<string> {
  const program = join(folder, example);
  await run('go', ['build', '-o', program, '.'], { cwd: join(root, 'examples', example, 'go') });
  return program;
}

interface Program extends Disposable {
  readonly child: ChildProcess;
  readonly ended: Promise<unknown[]>;
  /** Waits for a text on stdout or stderr. */
  says(text: string): Promise<void>;
}

function start(program: string, ...args: readonly string[]): Program {
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => (said += text));
  return {
    child,
    ended: once(child, 'close'),
    says: (text) =>
      until(() => {
        if (child.exitCode !== null) throw new Error(`${program} ended: ${said}`);
        return said.includes(text);
      }, 30_000),
    [Symbol.dispose]() {
      child.kill('SIGKILL');
    },
  };
}

/** Places, pays and ships orders; gives the total of those that are paid. */
async function placeOrders({ client }: CommandGateway, seed: string, orders: number): Promise<number> {
  let revenue = 0;
  for (let i = 0; i < orders; i++) {
    const stream = `order.${seed}-${i}`;
    const items = Array.from({ length: 1 + (i % 3) }, (_, n): NewEvent =>
      jsonEvent('ItemAdded', { sku: 'cup', quantity: 1 + n, priceCents: 1_005 }),
    );
    await client.append(stream, [jsonEvent('OrderPlaced', { customer: 'Ada' }), ...items]);
    if (i % 2 === 0) continue;
    await client.append(stream, [jsonEvent('OrderPaid', { by: 'card' })]);
    revenue += items.reduce((sum, _item, n) => sum + (1 + n) * 1_005, 0);
  }
  return revenue;
}

withGo(
  'the read model has each event once, whenever it is killed',
  async () => {
    const program = await build('order-read-model');
    const file = join(folder, 'orders.db');
    await using gateway = await startCommandGateway();
    let revenue = await placeOrders(gateway, 'a', 30);
    for (let kills = 0; kills < 4; kills++) {
      using projection = start(program, 'project', gateway.address, file);
      await projection.says(kills === 0 ? 'from the first event' : 'after cursor');
      revenue += await placeOrders(gateway, `k${kills}`, 10);
      projection.child.kill('SIGKILL');
      await projection.ended;
    }
    using projection = start(program, 'project', gateway.address, file);
    await projection.says('live');
    const last = await gateway.client.append('order.last', [jsonEvent('OrderPlaced', { customer: 'Ada' })]);
    const summary = async (): Promise<string> => (await run(program, ['summary', file])).stdout;
    await until(async () => (await summary()).includes(`cursor ${last.position.toString()}`), 30_000);
    projection.child.kill('SIGTERM');
    expect(await projection.ended).toEqual([0, null]);
    const printed = await summary();
    expect(printed).toMatch(/^paid +35 /m);
    expect(printed).toMatch(/^placed +36 /m);
    expect(printed).toMatch(new RegExp(`^revenue +${(revenue / 100).toFixed(2)}$`, 'm'));
  },
  timeoutMs,
);

withGo(
  'the order service decides again after a conflict, and refuses what an order does not allow',
  async () => {
    const program = await build('order-service');
    await using gateway = await startCommandGateway();
    const [port] = await freePorts(1);
    const address = `127.0.0.1:${String(port)}`;
    using service = start(program, gateway.address, address);
    await service.says('listening');
    const call = async (method: string, path: string, body?: object): Promise<[number, unknown]> => {
      const options = { method, ...(body && { body: JSON.stringify(body) }) };
      const response = await fetch(`http://${address}/orders/${path}`, options);
      return [response.status, await response.json().catch(() => undefined)];
    };
    expect(await call('PUT', '1', { customer: 'Ada' })).toEqual([200, { version: 1 }]);
    expect(await call('PUT', '1', { customer: 'Ada' })).toMatchObject([409, { error: 'the order exists' }]);
    expect(await call('POST', '2/items', { sku: 'cup', quantity: 1, priceCents: 1 })).toMatchObject([
      409,
      {},
    ]);
    expect(await call('PUT', 'a%20b', { customer: 'Ada' })).toMatchObject([400, {}]);
    // At the same time, so that they meet conflicts.
    const item = { sku: 'cup', quantity: 2, priceCents: 100 };
    const added = await Promise.all(Array.from({ length: 6 }, () => call('POST', '1/items', item)));
    expect(added.map(([status]) => status)).toEqual(Array(6).fill(200));
    expect(await call('POST', '1/payment')).toEqual([200, { version: 8 }]);
    expect(await call('POST', '1/cancellation')).toMatchObject([409, { error: 'the order is paid' }]);
    const state = { customer: 'Ada', status: 'paid', totalCents: 1_200, version: 8 };
    expect(await call('GET', '1')).toEqual([200, state]);
    expect((await call('GET', '3'))[0]).toBe(404);
    const types: string[] = [];
    for await (const event of gateway.client.readStream('order.1')) {
      types.push(event.type);
      parseJson(event);
    }
    expect(types).toEqual(['OrderPlaced', ...Array<string>(6).fill('ItemAdded'), 'OrderPaid']);
    service.child.kill('SIGTERM');
    expect(await service.ended).toEqual([0, null]);
  },
  timeoutMs,
);
