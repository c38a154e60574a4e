import { parseArgs } from 'node:util';
import { connect } from 'sluice-eventstore';
import { generate } from './generate';
import { count, showProgress } from './progress';
import { project } from './project';
import { openReadModel, readSummary } from './read-model';

const helpText = `Usage: node dist-examples/order-read-model/main.js <command> [flags]

  generate  writes orders to the store
  project   updates the read model from the store, until Ctrl-C
  summary   prints a summary of the read model

  --address host:port  address of the gateway (default 127.0.0.1:50051)
  --db file            file of the read model (default orders.db)
  --orders number      number of orders to write (default 1000)
  --seed number        the same seed gives the same orders (default 1)
`;

const exitCode = { ok: 0, failed: 1, usage: 2 } as const;

async function main(argv: readonly string[]): Promise<number> {
  const command = parse(argv);
  if (command === undefined) {
    process.stderr.write(helpText);
    return exitCode.usage;
  }
  const stop = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => {
      stop.abort(new Error(`stopped by ${signal}`));
    });
  }
  try {
    await commands[command.name](command, stop.signal);
    return exitCode.ok;
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    return exitCode.failed;
  }
}

const commands = { generate: runGenerate, project: runProject, summary: runSummary };

interface Command {
  readonly name: keyof typeof commands;
  readonly address: string;
  readonly db: string;
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
        db: { type: 'string', default: 'orders.db' },
        orders: { type: 'string', default: '1000' },
        seed: { type: 'string', default: '1' },
      },
    });
    const name = positionals.join(' ');
    const numbers = { orders: Number(values.orders), seed: Number(values.seed) };
    const areWhole = Object.values(numbers).every((number) => Number.isSafeInteger(number) && number >= 0);
    return isCommand(name) && areWhole ? { ...values, ...numbers, name } : undefined;
  } catch {
    return undefined;
  }
}

function isCommand(name: string): name is keyof typeof commands {
  return Object.hasOwn(commands, name);
}

async function runGenerate({ address, orders, seed }: Command, signal: AbortSignal): Promise<void> {
  using client = connect(address);
  const { events } = await generate(client, { orders, seed, signal });
  process.stdout.write(`${count(orders)} orders, ${count(events)} events\n`);
}

async function runProject({ address, db }: Command, signal: AbortSignal): Promise<void> {
  using model = openReadModel(db);
  using client = connect(address);
  using progress = showProgress();
  await project(client, model, progress, signal);
}

function runSummary({ db }: Command): void {
  const { byStatus, revenueCents, cursor } = readSummary(db);
  for (const { status, orders, cents } of byStatus) {
    process.stdout.write(`${status.padEnd(10)}${count(orders).padStart(10)}${money(cents).padStart(16)}\n`);
  }
  process.stdout.write(`revenue   ${money(revenueCents).padStart(26)}\n`);
  process.stdout.write(cursor === undefined ? 'no events yet\n' : `up to cursor ${cursor}\n`);
}

function money(cents: bigint): string {
  return `${count(cents / 100n)}.${(cents % 100n).toString().padStart(2, '0')}`;
}

void main(process.argv.slice(2)).then((code) => (process.exitCode = code));
