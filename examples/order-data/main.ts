import { createHash } from 'node:crypto';
import { createWriteStream, writeFileSync } from 'node:fs';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { parseArgs } from 'node:util';
import { connect } from 'sluice-eventstore';
import { exportLines } from './export-lines';
import { query } from './query';
import { render } from './report';
import { shopOf } from './shop';
import { truthOf } from './truth';

const helpText = `Usage: node dist-examples/order-data/main.js <command> [flags]

  generate  writes a file for sluice import, and the report on it
  query     queries the store and prints the report

  --address host:port  address of the gateway (default 127.0.0.1:50051)
  --output file        file for sluice import (default orders.ndjson)
  --report file        report that all languages must print (default orders.report.txt)
  --orders number      number of generated orders (default 20000)
  --seed number        the same seed gives the same orders (default 1)
`;

const exitCode = { ok: 0, failed: 1, usage: 2 } as const;

async function main(argv: readonly string[]): Promise<number> {
  const command = parse(argv);
  if (command === undefined) {
    process.stderr.write(helpText);
    return exitCode.usage;
  }
  try {
    await commands[command.name](command);
    return exitCode.ok;
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    return exitCode.failed;
  }
}

const commands = { generate: runGenerate, query: runQuery };

interface Command {
  readonly name: keyof typeof commands;
  readonly address: string;
  readonly output: string;
  readonly report: string;
  readonly orders: number;
  readonly seed: number;
}

/** undefined: the command line is not valid. */
function parse(argv: readonly string[]): Command | undefined {
  try {
    const { positionals, values } = parseArgs({
      args: [...argv],
      allowPositionals: true,
      options: {
        address: { type: 'string', default: '127.0.0.1:50051' },
        output: { type: 'string', default: 'orders.ndjson' },
        report: { type: 'string', default: 'orders.report.txt' },
        orders: { type: 'string', default: '20000' },
        seed: { type: 'string', default: '1' },
      },
    });
    const name = positionals.join(' ');
    const numbers = { orders: Number(values.orders), seed: Number(values.seed) };
    const areWhole = Object.values(numbers).every((number) => Number.isSafeInteger(number) && number > 0);
    return isCommand(name) && areWhole ? { ...values, ...numbers, name } : undefined;
  } catch {
    return undefined;
  }
}

function isCommand(name: string): name is keyof typeof commands {
  return Object.hasOwn(commands, name);
}

async function runGenerate({ output, report, orders, seed }: Command): Promise<void> {
  const shop = shopOf({ orders, seed });
  const hash = createHash('sha256');
  const lines = function* (): Iterable<string> {
    for (const line of exportLines(shop)) {
      hash.update(line);
      yield line;
    }
  };
  await pipeline(Readable.from(lines()), createWriteStream(output));
  const truth = truthOf(shop);
  writeFileSync(report, render(truth));
  const events = truth.regions.reduce((sum, region) => sum + region.events, 0);
  process.stdout.write(
    `${count(orders)} orders, ${count(events)} events in ${count(shop.length)} commits\n` +
      `SHA-256 ${hash.digest('hex')}\n`,
  );
}

function count(value: number): string {
  return value.toLocaleString('en');
}

async function runQuery({ address }: Command): Promise<void> {
  using client = connect(address);
  process.stdout.write(render(await query(client)));
}

void main(process.argv.slice(2)).then((code) => (process.exitCode = code));
