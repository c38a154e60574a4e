import { parseArgs } from 'node:util';
import { prepareTools, removeTools } from '../test/support/tools';
import { hasGo } from './go-clients';
import { describeMachine } from './machine';
import { peersLegend, renderPeers, type PeerTable } from './peer-table';
import { measurePeers } from './peers';
import { cleanEnvironment, natsVersion, writePart } from './results';
import { warmUp } from './rounds';

const helpText = `Measures Sluice beside other event stores, and prints a table of medians.

Usage:
  npm run bench:peers -- [flags]

Needs Go, which all are called from. The peers: UmaDB, installed with pip for the run, and Message DB, whose schema npm
fetches, on the PostgreSQL of this machine. One that cannot be had is left out. Linux only. Data lie in TMPDIR.

  --rounds <n>     Rounds that count for each row, after 10 s to warm up. Default: 5.
  --tagged <n>     Events of the log with tags, a multiple of 1000. Default: 1000000.
  --only <regex>   Only rows whose text matches, whatever the case.
  --against <dir>  Another build of Sluice to stand beside this one: a folder with src/main.js.
  --write          Also writes its part of bench/RESULTS.md.
  --quick          Tiny counts, to see that everything works: the figures mean nothing.
  --help
`;

async function main(argv: readonly string[]): Promise<number> {
  const { values } = parseArgs({
    args: [...argv],
    options: {
      rounds: { type: 'string', default: '5' },
      tagged: { type: 'string', default: '1000000' },
      only: { type: 'string', default: '' },
      against: { type: 'string' },
      write: { type: 'boolean', default: false },
      quick: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    process.stdout.write(helpText);
    return 0;
  }
  if (!/^[1-9]\d?$/.test(values.rounds)) throw new Error('--rounds must be a whole number from 1 to 99');
  if (!/^[1-9]\d{0,3}000$/.test(values.tagged))
    throw new Error('--tagged must be a multiple of 1000, at most 9999000');
  const stop = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const)
    process.once(signal, () => {
      stop.abort();
    });
  const progress = (line: string): void => void process.stderr.write(`bench: ${line}\n`);
  if (!(await hasGo('peers', progress))) return 1;
  await prepareTools();
  try {
    cleanEnvironment();
    const { rounds, only, against, quick } = values;
    const table = await measurePeers({
      rounds: Number(rounds),
      only: new RegExp(only, 'i'),
      against,
      taggedEvents: quick ? 1_000 : Number(values.tagged),
      quick,
      progress,
      signal: stop.signal,
    });
    const text = render(table, argv, { rounds, quick });
    process.stdout.write(`${text}\n`);
    if (values.write) writePart(text);
    return 0;
  } finally {
    removeTools();
  }
}

function render(
  table: PeerTable,
  argv: readonly string[],
  { rounds, quick }: { readonly rounds: string; readonly quick: boolean },
): string {
  const lines = [
    `Command: \`${['npm run bench:peers', ...(argv.length === 0 ? [] : ['--', ...argv])].join(' ')}\``,
    `Date: ${new Date().toISOString().slice(0, 16).replace('T', ' ')} UTC`,
    ...describeMachine(natsVersion()),
    ...table.peers.map(({ about }) => about),
    'Load: one process in Go (bench/go/peers), grpc-go or pgx, two connections for gRPC and a pool for PostgreSQL',
    'Durability: every append is on disk (fsync) before it is acknowledged, in all stores',
    `Rounds: ${rounds} for each row, alternating between the stores, ${warmUp}`,
  ];
  const warning = quick ? ['**A quick run: it shows that everything works; the figures mean nothing.**'] : [];
  const list = lines.map((line) => `- ${line}`).join('\n');
  return ['# Beside peers', ...warning, list, peersLegend, renderPeers(table)].join('\n\n');
}

void main(process.argv.slice(2)).then(
  (code) => process.exit(code),
  (error: unknown) => {
    process.stderr.write(
      `bench: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`,
    );
    process.exit(1);
  },
);
