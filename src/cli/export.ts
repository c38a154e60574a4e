import type { Cursor, SluiceClient, UnreadableMessage } from '../client/client';
import { commitsOf } from './commits';
import { defineCommand, type Context } from './command';
import { exportToFile, exportToOutput, type ExportTarget } from './export-file';
import { controlLine, toExportedControl } from './control-format';
import { controlledStreams } from './export-controls';
import { commitLine, exportFormat, headerLine, type ExportHeader } from './export-format';
import { CommandError, exitCode } from './failure';
import { createProgress } from './progress';
import { skipOption, skippedMessage } from './unreadable';
import { counted } from './counted';
import { patternHelp } from './words';

export const exportCommand = defineCommand({
  name: 'export',
  usage: '[PATTERN...]',
  summary: 'Write the events of the store, or of matching streams, as NDJSON for `sluice import`.',
  details:
    'The export has all events that can be read when it begins, and what holds of streams with hidden\n' +
    'events: see docs/streams.md. If FILE (--output) is that of an\n' +
    'interrupted export, the command completes it, up to the end that it would have had. The format is in\n' +
    'docs/command-line.md; an export without its last line, the trailer, is not complete.\n' +
    patternHelp,
  options: {
    output: { kind: 'text', value: 'FILE', help: 'The file to write; default: standard output.' },
    ...skipOption,
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
      const { controls, commits, events } = target.tally;
      const without = skipped === 0 ? '' : `; skipped ${counted(skipped, 'unreadable message')}`;
      const ofControls = controls === 0 ? '' : `, and the controls of ${counted(controls, 'stream')}`;
      await context.err.line(
        `exported ${counted(events, 'event')} in ${counted(commits, 'commit')}${ofControls}${without}`,
      );
      return exitCode.ok;
    };
  },
});

/** Returns how many messages it has skipped. */
async function writeExport(
  context: Context,
  target: ExportTarget,
  patterns: readonly string[],
  skips: boolean,
): Promise<number> {
  const { client, deadlineMs, signal, err, errSink } = context;
  let skipped = 0;
  const onUnreadable = async (message: UnreadableMessage): Promise<void> => {
    skipped++;
    await err.line(skippedMessage(message));
  };
  const { tally } = target;
  const header = target.header ?? (await newHeader(client, patterns, { deadlineMs, signal }));
  if (target.header === undefined) {
    const line = headerLine(header);
    tally.addHeader(line, header);
    await target.write(line);
    await writeControls(context, target, header);
  } else {
    await checkControls(context, header);
    await checkContinuation(client, target, patterns, signal);
  }
  const progress = createProgress(errSink);
  const [begun, beganMs] = [tally.events, Date.now()];
  const after = tally.position;
  // `toPosition` 0 would be no limit.
  if (header.upTo > after) {
    const { upTo: toPosition, storeId } = header;
    const range = { patterns, after: cursorOf(after, storeId), toPosition, deadlineMs, signal };
    const read = client.readAll({ ...range, onUnreadable: skips ? onUnreadable : undefined });
    try {
      for await (const commit of commitsOf(read)) {
        const line = commitLine(commit);
        const [{ position }] = commit as [(typeof commit)[number]];
        tally.addCommit(line, commit.length, position);
        await target.write(line);
        const rate = Math.round((1_000 * (tally.events - begun)) / Math.max(1, Date.now() - beganMs));
        progress.show(Number(position), Number(header.upTo), `${tally.events} events, ${rate}/s`);
      }
    } finally {
      progress.clear();
    }
  }
  await target.write(tally.trailerLine());
  return skipped;
}

/** A control that follows the end of the export is not part of it. */
async function writeControls(
  context: Context,
  target: ExportTarget,
  { patterns, upTo }: ExportHeader,
): Promise<void> {
  for await (const stream of controlledStreams(context, patterns)) {
    if (stream.controlPosition > upTo) {
      await context.err.line(
        `sluice: ${stream.stream} was changed while the export began: its controls are not in it`,
      );
      continue;
    }
    const line = controlLine(toExportedControl(stream, upTo));
    target.tally.addControl(line);
    await target.write(line);
  }
}

/** Throws CommandError if more events may be hidden than when the export began: the file would miss some between others. */
async function checkControls(context: Context, { format, patterns, upTo }: ExportHeader): Promise<void> {
  if (format !== exportFormat) {
    throw new CommandError('the file was begun by an earlier version; remove it, and begin again');
  }
  for await (const { stream, controlPosition, retention } of controlledStreams(context, patterns)) {
    const { maxCount, maxAgeMs } = retention;
    if (controlPosition <= upTo && maxCount === undefined && maxAgeMs === undefined) continue;
    throw new CommandError(
      `the file cannot be continued: events of stream ${stream} may have been hidden since; remove it, and begin again`,
    );
  }
}

/** After the commit at a position of a store. */
function cursorOf(position: bigint, storeId: string): Cursor {
  return storeId === '' ? position.toString() : `${position.toString()}@${storeId}`;
}

type Call = Pick<Context, 'deadlineMs' | 'signal'>;

async function newHeader(
  client: SluiceClient,
  patterns: readonly string[],
  call: Call,
): Promise<ExportHeader> {
  const { store } = await client.serverInfo(call);
  return {
    format: exportFormat,
    store: store?.name ?? '',
    storeId: store?.storeId ?? '',
    patterns,
    upTo: await endOf(client, call),
  };
}

/** The position of the last commit. That of GetServerInfo may be older than an acknowledged append. */
async function endOf(client: SluiceClient, call: Call): Promise<bigint> {
  const empty = client.readAll({ ...call, after: 2n ** 63n - 1n });
  for await (const { position } of empty)
    throw new Error(`unexpected event at position ${position.toString()}`);
  return empty.head.position;
}

/** Throws CommandError if the file has other patterns, or comes from another store. */
async function checkContinuation(
  client: SluiceClient,
  { header, tally, lastCommit }: ExportTarget,
  patterns: readonly string[],
  signal: AbortSignal,
): Promise<void> {
  if (JSON.stringify(header?.patterns) !== JSON.stringify(patterns)) {
    const before = header?.patterns.join(' ') ?? '';
    throw new CommandError(
      `the file was begun with other patterns: ${before === '' ? '(all streams)' : before}`,
    );
  }
  if (lastCommit === undefined) return;
  const { storeId = '' } = header ?? {};
  const after = cursorOf(tally.position - 1n, storeId);
  const at = { patterns, after, toPosition: tally.position, signal };
  for await (const commit of commitsOf(client.readAll(at))) if (commitLine(commit) === lastCommit) return;
  throw new CommandError('the file comes from another store: its last commit is not in this one');
}
