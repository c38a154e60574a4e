import { accessSync, constants } from 'node:fs';
import { prepareTools, removeTools } from '../test/support/tools';
import { accessCost } from './access';
import { controlsCost } from './controlled-streams';
import { consoleInBrowser } from './console';
import { againstRaw } from './against-raw';
import { commitIds } from './commit-ids';
import { following } from './following';
import { fromGo } from './from-go';
import { goClientCost } from './go-client';
import { consumerGroups } from './groups';
import { grpcFloor } from './grpc-floor';
import { describeMachine } from './machine';
import { overload } from './overload';
import { cleanEnvironment, natsVersion, writePart } from './results';
import { warmUp } from './rounds';
import type { Run, Table } from './run';
import { helpText, parseSettings, UsageError, type Settings } from './settings';
import { sharedSync, sharedSyncFromGo } from './shared-sync';
import { storeSize } from './store-size';
import { streamLength } from './stream-length';
import { legend, renderMemory, renderTable } from './table';
import { workersGain } from './workers';

const tables: readonly ((run: Run) => Promise<Table | undefined>)[] = [
  (run) => againstRaw(run, 'interval'),
  (run) => againstRaw(run, 'always'),
  streamLength,
  storeSize,
  commitIds,
  grpcFloor,
  following,
  sharedSync,
  sharedSyncFromGo,
  fromGo,
  overload,
];

/** Parts of their own, with what each of them measures. */
const parts: readonly ((run: Run, facts: string) => Promise<string | undefined>)[] = [
  accessCost,
  controlsCost,
  goClientCost,
  workersGain,
  consumerGroups,
  consoleInBrowser,
];

const exitCode = { ok: 0, failed: 1, usage: 2, stopped: 130 } as const;

async function main(argv: readonly string[]): Promise<number> {
  const stop = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => {
      stop.abort();
    });
  }
  try {
    const settings = parseSettings(argv);
    if (settings.help) process.stdout.write(helpText);
    else await runAll(settings, argv, stop.signal);
    return exitCode.ok;
  } catch (error) {
    if (error instanceof UsageError) {
      process.stderr.write(`bench: ${error.message}\n\n${helpText}`);
      return exitCode.usage;
    }
    if (!stop.signal.aborted) throw error;
    process.stderr.write('bench: stopped\n');
    return exitCode.stopped;
  }
}

async function runAll(settings: Settings, argv: readonly string[], signal: AbortSignal): Promise<void> {
  if (settings.write) checkWritable();
  await prepareTools();
  try {
    cleanEnvironment();
    const printed: string[] = [];
    const print = (part: string): void => {
      printed.push(part);
      process.stdout.write(`${part}\n\n`);
    };
    print(introduction(settings, argv));
    const progress = (line: string): void => void process.stderr.write(`bench: ${line}\n`);
    const run: Run = { settings, peaks: [], progress, signal };
    const titles: string[] = [];
    for (const [index, measureTable] of tables.entries()) {
      const table = await measureTable(run);
      if (table === undefined) continue;
      titles.push(table.title);
      print(renderTable(table, index + 1));
    }
    let found = titles.length > 0;
    if (found) print(renderMemory(run.peaks));
    if (found && settings.write) writePart(withOwnTitle(printed.join('\n\n'), settings, titles));
    for (const measurePart of parts) {
      const part = await measurePart(run, facts(settings, argv));
      if (part === undefined) continue;
      found = true;
      process.stdout.write(`${part.trim()}\n\n`);
      if (settings.write) writePart(part);
    }
    if (!found) throw new UsageError('--only matches no row');
  } finally {
    removeTools();
  }
}

/** Some of the tables stand beside the others, which are of another run. */
function withOwnTitle(text: string, { only }: Settings, titles: readonly string[]): string {
  return only.test('') ? text : text.replace(/^# Results/, () => `# Results: ${titles.join(', ')}`);
}

/** Checked before the run, which takes long. */
function checkWritable(): void {
  try {
    accessSync('bench', constants.W_OK);
  } catch (error) {
    throw new UsageError('--write needs the folder bench/, to write RESULTS.md there', { cause: error });
  }
}

function introduction(settings: Settings, argv: readonly string[]): string {
  const { clients } = settings;
  const load =
    `- Load: ${clients} ${clients === 1 ? 'process' : 'processes'}, each with one gRPC channel and one NATS connection; ` +
    'gateway, nats-server and load are separate processes on this machine';
  return ['# Results', `${facts(settings, argv)}\n${load}`, legend].join('\n\n');
}

/** How the figures were measured. */
function facts({ rounds, quick }: Settings, argv: readonly string[]): string {
  const lines = [
    `Command: \`${['npm run bench', ...(argv.length === 0 ? [] : ['--', ...argv])].join(' ')}\``,
    `Date: ${new Date().toISOString().slice(0, 16).replace('T', ' ')} UTC`,
    ...describeMachine(natsVersion()),
    `Rounds: ${rounds} for each row, alternating between the sides, ${warmUp}`,
  ];
  const warning = quick ? ['**A quick run: it shows that everything works; the figures mean nothing.**'] : [];
  return [...warning, lines.map((line) => `- ${line}`).join('\n')].join('\n\n');
}

void main(process.argv.slice(2)).then(
  (code) => process.exit(code),
  (error: unknown) => {
    process.stderr.write(
      `bench: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`,
    );
    process.exit(exitCode.failed);
  },
);
