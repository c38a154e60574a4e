import { createReadStream } from 'node:fs';
import { defineCommand, type Context } from './command';
import { createTally, readRecord, type ExportedCommit } from './export-format';
import { CommandError, exitCode, isDefinite } from './failure';
import { storeInOrder, type Step } from './import-order';
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
  options: {},
  plan({ words, given }) {
    const file = one(words, 'FILE');
    return async (context) => {
      const { signal, out } = context;
      const isFile = file !== '-';
      const totalBytes = isFile ? await checkedBytes(createReadStream(file, { signal })) : 0;
      const source = isFile ? createReadStream(file, { signal }) : context.stdin;
      const { commits, events, replayed } = await storeAll(context, source, totalBytes);
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
    const size = line.bytes.length + 1;
    bytes += size;
    const record = readRecord(line, tally);
    if (record.kind === 'commit') yield { commit: record.commit, line: line.number, size, bytes };
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

async function storeAll(
  context: Context,
  source: AsyncIterable<Buffer | string>,
  totalBytes: number,
): Promise<Imported> {
  const progress = createProgress(context.errSink);
  const beganMs = Date.now();
  let [commits, events, replayed] = [0, 0, 0];
  try {
    for await (const { step, replayed: wasThere } of storeInOrder(context, commitsIn(source))) {
      commits++;
      events += eventCountOf(step.commit);
      if (wasThere) replayed++;
      const rate = Math.round((1_000 * events) / Math.max(1, Date.now() - beganMs));
      progress.show(step.bytes, totalBytes, `${events} events, ${rate}/s`);
    }
  } catch (error) {
    progress.clear();
    if (commits > 0) {
      await context.err.line(
        `sluice: ${isDefinite(error) ? '' : 'at least '}${commits} commits are stored; ` +
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
