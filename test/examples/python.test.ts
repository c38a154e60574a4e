import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { jsonEvent, type SluiceClient } from '../../src/client/client';
import { startCommandGateway } from '../cli/gateway-commands';
import { pythonClient, pythonVersion, pythonWithPackages } from '../clients/python-venv';
import { root } from '../docs/markdown';
import { freePorts, until } from '../support/nats-server';
import { sendEmails } from '../support/order-emails';

/** The examples in Python that use the client. `npm run conformance` runs the others. */

const timeoutMs = 600_000; // the first time on a machine it fetches packages
const version = pythonVersion();
const withPython = version === undefined ? test.skip : test;
const folder = mkdtempSync(join(tmpdir(), 'sluice-python-examples-'));
const env = { ...process.env, PYTHONPATH: join(pythonClient, 'src'), PYTHONDONTWRITEBYTECODE: '1' };
let python = '';
beforeAll(async () => {
  if (version !== undefined) python = await pythonWithPackages(version);
}, timeoutMs);
afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

const readModel = join(root, 'examples', 'order-read-model', 'python', 'read_model.py');
const orderService = join(root, 'examples', 'order-service', 'python', 'order_service.py');

interface Program extends Disposable {
  readonly child: ChildProcess;
  readonly ended: Promise<unknown[]>;
  /** Waits for a text on stdout or stderr. */
  says(text: string): Promise<void>;
}

function start(...args: readonly string[]): Program {
  const child = spawn(python, args, { stdio: ['ignore', 'pipe', 'pipe'], env });
  let said = '';
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => (said += text));
  return {
    child,
    ended: once(child, 'close'),
    says: (text) =>
      until(() => {
        if (child.exitCode !== null) throw new Error(`it ended: ${said}`);
        return said.includes(text);
      }, 60_000),
    [Symbol.dispose]() {
      child.kill('SIGKILL');
    },
  };
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

withPython(
  'the read model has each event once, whenever it is killed',
  async () => {
    const file = join(folder, 'orders.db');
    await using gateway = await startCommandGateway();
    let revenue = await placeOrders(gateway.client, 'a', 20);
    for (let kills = 0; kills < 3; kills++) {
      using projection = start(readModel, 'project', gateway.address, file);
      await projection.says(kills === 0 ? 'from the first event' : 'cursor');
      revenue += await placeOrders(gateway.client, `k${kills}`, 10);
      projection.child.kill('SIGKILL');
      await projection.ended;
    }
    using projection = start(readModel, 'project', gateway.address, file);
    await projection.says('live');
    const placed = [jsonEvent('OrderPlaced', { customer: 'Ada' })];
    const last = await gateway.client.append('order.last', placed);
    const summary = async (): Promise<string> =>
      (await promisify(execFile)(python, [readModel, 'summary', file], { env })).stdout;
    await until(async () => (await summary()).includes(`cursor ${last.position.toString()}`), 60_000);
    projection.child.kill('SIGTERM');
    expect(await projection.ended).toEqual([0, null]);
    const printed = await summary();
    expect(printed).toMatch(/^paid +25 /m);
    expect(printed).toMatch(/^placed +26 /m);
    expect(printed).toMatch(new RegExp(`^revenue +${(revenue / 100).toFixed(2)}$`, 'm'));
  },
  timeoutMs,
);

withPython(
  'two members that are killed again and again send each e-mail once',
  async () => {
    await using gateway = await startCommandGateway();
    const emails = join(root, 'examples', 'order-emails', 'python', 'emails.py');
    const path = `PYTHONPATH=${join(pythonClient, 'src')}`;
    const member = { command: ['env', path, python, '-B', emails], cwd: root };
    expect(await sendEmails(gateway.client, gateway.address, [member, member], 40)).toEqual([
      undefined,
      undefined,
    ]);
  },
  timeoutMs,
);

withPython(
  'the order service decides again after a conflict, and refuses what an order does not allow',
  async () => {
    await using gateway = await startCommandGateway();
    const [port] = await freePorts(1);
    const address = `127.0.0.1:${String(port)}`;
    using service = start(orderService, gateway.address, address);
    await service.says('listening');
    const call = async (method: string, path: string, body?: object): Promise<[number, unknown]> => {
      const options = { method, ...(body && { body: JSON.stringify(body) }) };
      const response = await fetch(`http://${address}/orders/${path}`, options);
      return [response.status, await response.json()];
    };
    expect(await call('PUT', '1', { customer: 'Ada' })).toEqual([200, { version: 1 }]);
    expect(await call('PUT', '1', { customer: 'Ada' })).toEqual([409, { error: 'the order exists' }]);
    const item = { sku: 'cup', quantity: 2, priceCents: 100 };
    expect(await call('POST', '2/items', item)).toEqual([409, { error: 'there is no such order' }]);
    expect(await call('PUT', 'a%20b', { customer: 'Ada' })).toMatchObject([400, {}]);
    // At the same time, so that they meet conflicts.
    const added = await Promise.all(Array.from({ length: 6 }, () => call('POST', '1/items', item)));
    expect(added.map(([status]) => status)).toEqual(Array(6).fill(200));
    expect(await call('POST', '1/payment')).toEqual([200, { version: 8 }]);
    expect(await call('POST', '1/cancellation')).toEqual([409, { error: 'the order is paid' }]);
    const state = { customer: 'Ada', status: 'paid', totalCents: 1_200, version: 8 };
    expect(await call('GET', '1')).toEqual([200, state]);
    expect((await call('GET', '3'))[0]).toBe(404);
    service.child.kill('SIGTERM');
    expect(await service.ended).toEqual([0, null]);
  },
  timeoutMs,
);
