import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, rmSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { Database } from 'node-sqlite3-wasm';
import { connect, jsonEvent, parseJson, type SluiceClient } from '../../src/client/client';
import { startSluice } from '../cli/process';
import { buildOnce } from '../support/build';
import { compileExamples, type CompiledExamples } from '../support/examples';
import { startTestGateway } from '../support/gateway';
import { freePorts } from '../support/free-ports';
import { startNats, until } from '../support/nats-server';
import { startTcpRelay } from '../support/tcp-relay';

/** The example as users run it: compiled, in processes of its own, against a gateway and NATS. */

const root = join(__dirname, '..', '..');
let examples: CompiledExamples;
let main: string;
let db: string;

beforeAll(async () => {
  examples = await compileExamples(root, dirname(dirname(await buildOnce())));
  main = join(examples.folder, 'dist-examples', 'order-read-model', 'main.js');
  db = join(examples.folder, 'orders.db');
}, 120_000);
afterAll(() => {
  examples[Symbol.dispose]();
});

/** Runs a command of the example to its end, and gives what it prints. */
async function run(...args: readonly string[]): Promise<string> {
  return (await promisify(execFile)(process.execPath, [main, ...args], { cwd: examples.folder })).stdout;
}

interface Projection extends AsyncDisposable {
  stderr(): string;
  /** Waits for a word on stderr. Fails if the process ends before. */
  says(text: string): Promise<void>;
  /** Ends it, and gives its exit code, or the signal that ended it. */
  end(signal: NodeJS.Signals): Promise<unknown>;
}

function startProjection(address: string): Projection {
  const child = spawn(process.execPath, [main, 'project', '--address', address, '--db', db], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let stderr = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  const closed = once(child, 'close');
  const end: Projection['end'] = async (signal) => {
    child.kill(signal);
    const [code, by] = (await closed) as [number | null, NodeJS.Signals | null];
    return code ?? by;
  };
  return {
    stderr: () => stderr,
    says: (text) =>
      until(() => {
        if (child.exitCode !== null) throw new Error(`the projection ended:\n${stderr}`);
        return stderr.includes(text);
      }, 30_000),
    end,
    async [Symbol.asyncDispose]() {
      if (child.exitCode === null && child.signalCode === null) await end('SIGKILL');
    },
  };
}

interface Row {
  readonly id: string;
  customer: string;
  status: string;
  total_cents: number;
  item_count: number;
  version: number;
}

/** What the rows must be: all events of the orders, one after the other. */
async function fold(client: SluiceClient): Promise<{ rows: Row[]; cursor: string; events: number }> {
  const rows = new Map<string, Row>();
  let events = 0;
  let cursor = '';
  for await (const event of client.readAll({ patterns: ['order.>'] })) {
    const id = event.stream.slice('order.'.length);
    const row = rows.get(id) ?? {
      id,
      customer: '',
      status: 'placed',
      total_cents: 0,
      item_count: 0,
      version: 0,
    };
    rows.set(id, row);
    const data = parseJson(event) as { customer: string; quantity: number; priceCents: number };
    if (event.type === 'OrderPlaced') row.customer = data.customer;
    if (event.type === 'ItemAdded') row.item_count += data.quantity;
    if (event.type === 'ItemAdded') row.total_cents += data.quantity * data.priceCents;
    if (event.type === 'OrderPaid') row.status = 'paid';
    if (event.type === 'OrderShipped') row.status = 'shipped';
    if (event.type === 'OrderCancelled') row.status = 'cancelled';
    row.version = Number(event.version);
    cursor = event.position.toString();
    events++;
  }
  return { rows: [...rows.values()].sort((a, b) => (a.id < b.id ? -1 : 1)), cursor, events };
}

/** What the read model has when no process uses it. */
function stored(): { rows: unknown[]; cursor: unknown } {
  const [checkpoint] = inDatabase('SELECT cursor FROM checkpoint');
  const [cursor] = /^\d+/.exec(String(checkpoint?.['cursor'])) ?? [];
  return { rows: inDatabase('SELECT * FROM orders ORDER BY id'), cursor };
}

function inDatabase(sql: string): Record<string, unknown>[] {
  const database = new Database(db, { fileMustExist: true });
  try {
    database.exec('PRAGMA locking_mode = EXCLUSIVE');
    return database.all(sql);
  } finally {
    database.close();
  }
}

/** The position of the cursor in the summary. */
async function cursor(): Promise<string | undefined> {
  return /^up to cursor (\d+)/m.exec(await run('summary', '--db', db))?.[1];
}

test('whatever ends, the orders are those of the events, each counted once', async () => {
  await using nats = await startNats();
  const [port] = await freePorts(1);
  const address = `127.0.0.1:${String(port)}`;
  const flags = [`--listen=${address}`, `--nats-url=${nats.url}`, '--create-store'];
  await using first = await startSluice(flags);
  await first.serving();
  using client = connect(address);
  const generate = (seed: number, orders: number): Promise<string> =>
    run('generate', '--address', address, '--seed', String(seed), '--orders', String(orders));

  const wrote = await generate(1, 3_000);
  await generate(1, 100); // again, which stores nothing
  const written = await fold(client);
  expect(wrote).toBe(`3,000 orders, ${written.events.toLocaleString('en')} events\n`);
  expect(written.events).toBeGreaterThan(15_000);

  // Killed within a transaction, three times, each time after one more has gone into the file.
  for (let kills = 0; kills < 3; kills++) {
    await using projection = startProjection(address);
    await projection.says(kills === 0 ? 'from the first event' : 'after cursor');
    const { size } = statSync(db);
    await until(() => statSync(db).size > size && existsSync(`${db}.lock`) && existsSync(`${db}-wal`));
    expect(await projection.end('SIGKILL')).toBe('SIGKILL');
    expect(projection.stderr()).not.toContain('live');
  }

  await using projection = startProjection(address);
  await projection.says('live:');
  expect(projection.stderr()).toContain('after cursor');
  await generate(2, 200);
  first.signal('SIGTERM');
  expect(await first.ended()).toBe(0);
  await projection.says('no longer live');
  await using second = await startSluice(flags);
  await second.serving();
  await generate(3, 200);

  const expected = await fold(client);
  expect(expected.rows).toHaveLength(3_400);
  await until(async () => (await cursor()) === expected.cursor, 30_000);
  await expect(run('project', '--address', address, '--db', db)).rejects.toThrow(/process \d+ writes to/);
  expect(await projection.end('SIGTERM')).toBe(0);
  expect(stored()).toEqual({ rows: expected.rows, cursor: expected.cursor });

  await using again = startProjection(address);
  await again.says('live: 0 events');
  expect(await again.end('SIGINT')).toBe(0);

  // Where the cursor cannot be stored, the rows are not either.
  const before = stored();
  await generate(4, 50);
  inDatabase("CREATE TRIGGER full BEFORE INSERT ON checkpoint BEGIN SELECT RAISE(ABORT, 'no room'); END");
  await expect(run('project', '--address', address, '--db', db)).rejects.toMatchObject({ code: 1 });
  expect(stored()).toEqual(before);
  inDatabase('DROP TRIGGER full');
  await using last = startProjection(address);
  await last.says('live:');
  expect(await last.end('SIGTERM')).toBe(0);
  const { rows, cursor: end } = await fold(client);
  expect(stored()).toEqual({ rows, cursor: end });
}, 120_000);

test('the summary is that of the orders', async () => {
  const rows = stored().rows as Row[];
  const cents = rows
    .filter(({ status }) => status === 'paid' || status === 'shipped')
    .reduce((sum, { total_cents }) => sum + total_cents, 0);
  const summary = await run('summary', '--db', db);
  for (const status of ['placed', 'paid', 'shipped', 'cancelled']) {
    const count = rows.filter((row) => row.status === status).length;
    expect(summary).toMatch(new RegExp(`^${status} +${count.toLocaleString('en')} `, 'm'));
  }
  const euros = (cents / 100).toLocaleString('en', { minimumFractionDigits: 2 });
  expect(summary).toMatch(new RegExp(`^revenue +${euros}$`, 'm'));
});

test('killed within a transaction over several orders, it goes on with the events that are left', async () => {
  await using nats = await startNats();
  await using gateway = await startTestGateway([nats.url]);
  using client = connect(gateway.address);
  const item = { sku: 'x'.repeat(60_000), quantity: 1, priceCents: 1 };
  const items = Array.from({ length: 6 }, () => jsonEvent('ItemAdded', item));
  const orders = ['order.b', 'order.c', 'order.a'];
  for (const bytes of [100_000, 300_000, 500_000, 700_000]) {
    for (const suffix of ['', '-wal', '.pid']) rmSync(db + suffix, { force: true });
    await using relay = await startTcpRelay(Number(gateway.address.split(':')[1]));
    await using projection = startProjection(relay.address);
    await projection.says('live:');
    relay.loseAnswersAfter(bytes);
    const placed = jsonEvent('OrderPlaced', { customer: `${bytes}` });
    await client.appendMulti(
      orders.map((stream) => ({ stream: `${stream}-${bytes}`, events: [placed, ...items] })),
    );
    await until(() => relay.isLosing, 30_000);
    await projection.end('SIGKILL');
    await using again = startProjection(gateway.address);
    await again.says('live:');
    expect(await again.end('SIGTERM')).toBe(0);
    const { rows, cursor: end } = await fold(client);
    expect(stored()).toEqual({ rows, cursor: end });
  }
}, 120_000);

test.each([[[]], [['paint']], [['generate', '--orders', 'many']], [['project', '--what']]])(
  'the arguments %j end with the usage',
  async (args) => {
    await expect(run(...args)).rejects.toMatchObject({ code: 2 });
  },
);
