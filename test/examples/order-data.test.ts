import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { startCommandGateway } from '../cli/gateway-commands';
import { blocks, document, root } from '../docs/markdown';
import { buildOnce } from '../support/build';
import { compileExamples, type CompiledExamples } from '../support/examples';

/** The example as users run it, in TypeScript; in other languages `npm run conformance` runs it. */

/** Of the shop that is imported. */
const orders = Number(process.env['TEST_ORDERS'] ?? 300);
/** A store that syncs takes some hundred commits a second, one after the other; an order has about four. */
const timeoutMs = 120_000 + orders * 40;

let examples: CompiledExamples;

beforeAll(async () => {
  examples = await compileExamples(root, dirname(dirname(await buildOnce())));
}, 120_000);
afterAll(() => {
  examples[Symbol.dispose]();
});

/** Runs a command of the example to its end, and gives what it prints. */
async function run(...args: readonly string[]): Promise<string> {
  const main = join(examples.folder, 'dist-examples', 'order-data', 'main.js');
  return (await promisify(execFile)(process.execPath, [main, ...args], { cwd: examples.folder })).stdout;
}

interface Generated {
  /** The path of the file for `sluice import`. */
  readonly file: string;
  /** What it holds, by what was printed. */
  readonly events: number;
  readonly commits: number;
  readonly sha256: string;
  readonly report: string;
}

/** Makes a shop up, under names that begin with `name`. */
async function generate(name: string, seed: number, count: number): Promise<Generated> {
  const [file, report] = [`${name}.ndjson`, `${name}.report.txt`].map((path) => join(examples.folder, path));
  const flags = { output: file, report, seed, orders: count };
  const printed = await run(
    'generate',
    ...Object.entries(flags).map(([flag, value]) => `--${flag}=${value}`),
  );
  const [, events = '', commits = '', sha256 = ''] =
    /^[\d,]+ orders, ([\d,]+) events in ([\d,]+) commits\nSHA-256 ([0-9a-f]{64})\n$/.exec(printed) ?? [];
  return {
    file: file as string,
    events: Number(events.replaceAll(',', '')),
    commits: Number(commits.replaceAll(',', '')),
    sha256,
    report: readFileSync(report as string, 'utf8'),
  };
}

test('without flags, it makes the file and the report that README.md shows', async () => {
  const [generated, , report] = blocks(document('examples/order-data/README.md')).filter(
    ({ language }) => language === 'text',
  );
  const printed = await run('generate');
  expect(printed).toBe(generated?.code);
  const file = readFileSync(join(examples.folder, 'orders.ndjson'));
  expect(printed).toContain(createHash('sha256').update(file).digest('hex'));
  expect(readFileSync(join(examples.folder, 'orders.report.txt'), 'utf8')).toBe(report?.code);
}, 120_000);

test('a seed makes the same file each time, and another seed another one', async () => {
  const [first, again, other] = [
    await generate('first', 7, 50),
    await generate('again', 7, 50),
    await generate('other', 8, 50),
  ];
  expect(again).toEqual({ ...first, file: again.file });
  expect(readFileSync(again.file).equals(readFileSync(first.file))).toBe(true);
  expect(other.sha256).not.toBe(first.sha256);
  expect(other.report).not.toBe(first.report);
});

/** The row of a region in a report: orders, events, cents paid and refunded, and cancelled orders. */
function numbersOf(report: string): number[] {
  const [, ...row] = /^eu +(\d+) +(\d+) +(\d+\.\d\d) +(\d+\.\d\d) +(\d+)$/m.exec(report) ?? [];
  return row.map((text) => Number(text.replace('.', '')));
}

test(
  'what was imported is what was made up',
  async () => {
    await using gateway = await startCommandGateway();
    const { file, events, commits, report } = await generate('imported', 3, orders);
    const query = (): Promise<string> => run('query', '--address', gateway.address);
    expect(await gateway.json(['import', file])).toMatchObject([{ commits, events, replayed: 0 }]);
    expect(await query()).toBe(report);
    const before = numbersOf(report);
    // One more of everything, which must be seen.
    const event = { data: '{"amountCents":1}', correlationId: 'checkout-1' };
    await gateway.client.append(
      'order.eu.1',
      ['OrderPlaced', 'OrderPaid', 'PaymentRefunded', 'OrderCancelled'].map((type) => ({ ...event, type })),
    );
    const more = numbersOf(await query()).map((number, i) => number - (before[i] ?? 0));
    expect(more).toEqual([1, 4, 1, 1, 1]);
  },
  timeoutMs,
);

test.each([[[]], [['paint']], [['generate', '--orders', '0']], [['query', '--what']]])(
  'the arguments %j end with the usage',
  async (args) => {
    await expect(run(...args)).rejects.toMatchObject({ code: 2 });
  },
);
