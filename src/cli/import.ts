import { createReadStream } from 'node:fs';
import { OutcomeUnknownError } from '../client/client';
import { defineCommand, type Context } from './command';
import { createTally, readRecord, type ExportedCommit } from './export-format';
import { CommandError, exitCode } from './failure';
import { storeWave, waveCommitsMax, wavesOf, type Step } from './import-waves';
import { readLines } from './lines';
import { createProgress } from './progress';
import { one } from './words';

export const importCommand = defineCommand({
  name: 'import',
  usage: 'FILE',
  summary: 'Store what `sluice export` wrote, commit by commit in the same order.',
  details:
    'FILE is "-" for standard input. A file is checked as a whole before anything is stored; standard\n' +
    'input while it is stored. Started again, it stores nothing twice. Streams that exist already with\n' +
    'other events are a conflict. Positions and commit times are those of the new store.',
  options: {
    parallel: {
      kind: 'flag',
      help: 'Several times as fast. Keeps the order of each stream and of related events, no other.',
    },
  },
  plan({ words, given }) {
    const file = one(words, 'FILE');
    return async (context) => {
      const { signal, out } = context;
      const isFile = file !== '-';
      const totalBytes = isFile ? await checkedBytes(createReadStream(file, { signal })) : 0;
      const source = isFile ? createReadStream(file, { signal }) : context.stdin;
      const { commits, events, replayed } = await storeAll(
        context,
        source,
        totalBytes,
        given.parallel ? waveCommitsMax : 1,
      );
      const text = `imported ${events} events in ${commits} commits`;
      const before = replayed === 0 ? '' : `; ${replayed} of the commits were there already`;
      await out.line(given.json ? JSON.stringify({ commits, events, replayed }) : text + before);
      return exitCode.ok;
    };
  },
});

/** The size of an export up to its trailer. Throws CommandError unless it is complete and as it was written. */
async function checkedBytes(source: AsyncIterable<Buffer>): Promise<number> {
  let total = 0;
  for await (const { bytes } of commitsIn(source)) total = bytes;
  return total;
}

/** The commits of an export, checked. Throws CommandError for a file that is cut, damaged or no export. */
async function* commitsIn(source: AsyncIterable<Buffer | string>): AsyncGenerator<Step, void> {
  const tally = createTally();
  let isComplete = false;
  let bytes = 0;
  for await (const line of readLines(source)) {
    if (isComplete)
      throw new CommandError(`line ${line.number}: the file is damaged: there is more behind its end`);
    if (!line.isComplete) throw cut();
    bytes += line.bytes.length + 1;
    const record = readRecord(line, tally);
    if (record.kind === 'commit') yield { commit: record.commit, bytes };
    isComplete = record.kind === 'trailer';
  }
  if (!isComplete) throw cut();
}

function cut(): CommandError {
  return new CommandError('the file is cut: its last line, with count and checksum, is missing');
}

interface Imported {
  readonly commits: number;
  readonly events: number;
  /** Commits that were stored before. */
  readonly replayed: number;
}

/** Wave by wave: what must not be stored before something else is in a later one. */
async function storeAll(
  context: Context,
  source: AsyncIterable<Buffer | string>,
  totalBytes: number,
  commitsMax: number,
): Promise<Imported> {
  const progress = createProgress(context.errSink);
  const beganMs = Date.now();
  let [commits, events, replayed] = [0, 0, 0];
  try {
    for await (const wave of wavesOf(commitsIn(source), commitsMax)) {
      const result = await storeWave(context, wave);
      commits += result.stored.length;
      events += result.stored.reduce((sum, commit) => sum + eventCountOf(commit), 0);
      replayed += result.replayed;
      if (result.error !== undefined) throw result.error;
      const rate = Math.round((1_000 * events) / Math.max(1, Date.now() - beganMs));
      progress.show(wave.bytes, totalBytes, `${events} events, ${rate}/s`);
    }
  } catch (error) {
    progress.clear();
    if (commits > 0) {
      const inDoubt = context.signal.aborted || error instanceof OutcomeUnknownError;
      await context.err.line(
        `sluice: ${inDoubt ? 'at least ' : ''}${commits} commits are stored; ` +
          'an import that is started again passes over them',
      );
    }
    throw error;
  }
  progress.clear();
  return { commits, events, replayed };
}

function eventCountOf({ appends }: ExportedCommit): number {
  return appends.reduce((sum, { events }) => sum + events.length, 0);
}
