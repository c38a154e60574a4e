import type { SluiceClient, UnreadableMessage } from '../client/client';
import { commitsOf } from './commits';
import { defineCommand, type Context } from './command';
import { exportToFile, exportToOutput, type ExportTarget } from './export-file';
import { commitLine, headerLine, type ExportHeader } from './export-format';
import { CommandError, exitCode } from './failure';
import { createProgress } from './progress';
import { passedOver } from './unreadable';

export const exportCommand = defineCommand({
  name: 'export',
  usage: '[PATTERN...]',
  summary: 'Write the store, or the streams that match patterns, as NDJSON for `sluice import`.',
  details:
    'It has what is stored when it begins. Into a file (--output) that an earlier export was not\n' +
    'finished with, it goes on behind the last complete line, up to where that one would have ended.\n' +
    'The format is in docs/command-line.md; without its last line, a trailer, an export is not complete.',
  options: {
    output: { kind: 'text', value: 'FILE', help: 'Where to; default: standard output.' },
    'skip-unreadable': {
      kind: 'flag',
      help: 'Leave out what is not a commit, and name it on standard error.',
    },
  },
  plan({ words: patterns, given }) {
    return async (context) => {
      const { out } = context;
      const target = given.output === undefined ? exportToOutput(out) : await exportToFile(given.output);
      let skipped = 0;
      try {
        skipped = await writeExport(context, target, patterns, given['skip-unreadable']);
      } finally {
        await target.close();
      }
      const { commits, events } = target.tally;
      const without = skipped === 0 ? '' : `; ${skipped} unreadable messages are left out`;
      await context.err.line(`exported ${events} events in ${commits} commits${without}`);
      return exitCode.ok;
    };
  },
});

/** Gives how many messages it has passed over. */
async function writeExport(
  { client, deadlineMs, signal, err, errSink }: Context,
  target: ExportTarget,
  patterns: readonly string[],
  skips: boolean,
): Promise<number> {
  let skipped = 0;
  const onUnreadable = async (message: UnreadableMessage): Promise<void> => {
    skipped++;
    await err.line(passedOver(message));
  };
  const { tally } = target;
  const header = target.header ?? (await newHeader(client, patterns, { deadlineMs, signal }));
  if (target.header === undefined) {
    const line = headerLine(header);
    tally.addHeader(line);
    await target.write(line);
  } else await checkGoesOn(client, target, patterns, signal);
  const progress = createProgress(errSink);
  const [begun, beganMs] = [tally.events, Date.now()];
  const after = tally.position;
  // `toPosition` 0 would be no bound.
  if (header.through > after) {
    const range = { patterns, after, toPosition: header.through, deadlineMs, signal };
    const read = client.readAll({ ...range, onUnreadable: skips ? onUnreadable : undefined });
    try {
      for await (const commit of commitsOf(read)) {
        const line = commitLine(commit);
        const [{ position }] = commit as [(typeof commit)[number]];
        tally.addCommit(line, commit.length, position);
        await target.write(line);
        const rate = Math.round((1_000 * (tally.events - begun)) / Math.max(1, Date.now() - beganMs));
        progress.show(Number(position), Number(header.through), `${tally.events} events, ${rate}/s`);
      }
    } finally {
      progress.clear();
    }
  }
  await target.write(tally.trailerLine());
  return skipped;
}

type Call = Pick<Context, 'deadlineMs' | 'signal'>;

async function newHeader(
  client: SluiceClient,
  patterns: readonly string[],
  call: Call,
): Promise<ExportHeader> {
  const { store } = await client.serverInfo(call);
  return { store: store?.name ?? '', patterns, through: await endOf(client, call) };
}

/** The position of the last commit now. What GetServerInfo tells may be older than an append that was answered before. */
async function endOf(client: SluiceClient, call: Call): Promise<bigint> {
  const nothing = client.readAll({ ...call, after: 2n ** 63n - 1n });
  for await (const { position } of nothing)
    throw new Error(`an event at ${position.toString()}, beyond every end`);
  return nothing.head.position;
}

/** Throws CommandError if the rest of the file would be of other streams, or of another store. */
async function checkGoesOn(
  client: SluiceClient,
  { header, tally, lastCommit }: ExportTarget,
  patterns: readonly string[],
  signal: AbortSignal,
): Promise<void> {
  if (JSON.stringify(header?.patterns) !== JSON.stringify(patterns)) {
    const before = header?.patterns.join(' ') ?? '';
    throw new CommandError(`the file was begun with other patterns: ${before === '' ? 'none' : before}`);
  }
  if (lastCommit === undefined) return;
  const at = { patterns, after: tally.position - 1n, toPosition: tally.position, signal };
  for await (const commit of commitsOf(client.readAll(at))) if (commitLine(commit) === lastCommit) return;
  throw new CommandError('the file was begun with another store: its last commit is not in this one');
}
