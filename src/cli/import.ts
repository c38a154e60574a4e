import { createReadStream } from 'node:fs';
import { defineCommand, type Context } from './command';
import type { ExportedControl } from './control-format';
import { createTally, readRecord, type ExportedCommit } from './export-format';
import { CommandError, exitCode, isDefinite, LineError } from './failure';
import { Controls } from './import-controls';
import { Erasures } from './import-erasures';
import { storeInOrder, type FileCommit } from './import-order';
import { readLines } from './lines';
import { createProgress } from './progress';
import { counted } from './counted';
import { one } from './words';

export const importCommand = defineCommand({
  name: 'import',
  usage: 'FILE',
  summary: 'Store the commits of an export, in the same order.',
  details:
    'FILE is written by `sluice export`; "-" is standard input. The whole file is checked before anything\n' +
    'is stored, standard input only while it is stored. An import can be repeated: nothing is stored\n' +
    'twice. A stream that already has other events is a conflict. Positions and commit times are new.\n' +
    'Where an export begins after the first version of a stream, placeholders take the versions of the\n' +
    'hidden events and are hidden too, and events that were erased are erased in the copy. Both need the\n' +
    'grant manage.',
  options: {},
  plan({ words, given }) {
    const file = one(words, 'FILE');
    return async (context) => {
      const { signal, out } = context;
      const isFile = file !== '-';
      const totalBytes = isFile ? await checkedBytes(createReadStream(file, { signal })) : 0;
      const source = isFile ? createReadStream(file, { signal }) : context.stdin;
      const stored = await storeAll(context, source, totalBytes);
      const { commits, events, replayed, controls, placeholders, erased } = stored;
      const text =
        `imported ${counted(events, 'event')} in ${counted(commits, 'commit')}` +
        (erased === 0 ? '' : `, ${erased} of them erased`) +
        (controls === 0 ? '' : `, and the controls of ${counted(controls, 'stream')}`) +
        (placeholders === 0n
          ? ''
          : `, with ${counted(Number(placeholders), 'placeholder')} for hidden events`);
      const before = replayed === 0 ? '' : `; ${replayed} of the commits were already stored`;
      const facts = { commits, events, replayed, controls, placeholders: Number(placeholders), erased };
      await out.line(given.json ? JSON.stringify(facts) : text + before);
      return exitCode.ok;
    };
  },
});

/** The size of an export up to its trailer. Throws CommandError for a file that is incomplete or damaged. */
async function checkedBytes(source: AsyncIterable<Buffer>): Promise<number> {
  let total = 0;
  for await (const { bytes } of commitsIn(source)) total = bytes;
  return total;
}

/** The commits of an export, checked. Throws CommandError for a file that is incomplete, damaged or not an export. */
async function* commitsIn(
  source: AsyncIterable<Buffer | string>,
  onControl: (control: ExportedControl, line: number) => void = () => undefined,
): AsyncGenerator<FileCommit, void> {
  const tally = createTally();
  let isComplete = false;
  let bytes = 0;
  for await (const line of readLines(source)) {
    if (isComplete)
      throw new CommandError(`line ${line.number}: the file is damaged: it continues after its trailer`);
    if (!line.isComplete) throw truncated();
    const size = line.bytes.length + 1;
    bytes += size;
    const record = readRecord(line, tally);
    if (record.kind === 'commit') yield { commit: record.commit, line: line.number, size, bytes };
    if (record.kind === 'control') onControl(record.control, line.number);
    isComplete = record.kind === 'trailer';
  }
  if (!isComplete) throw truncated();
}

function truncated(): CommandError {
  return new CommandError('the file is truncated: its trailer, with the counts and the checksum, is missing');
}

interface Imported {
  readonly commits: number;
  readonly events: number;
  /** Commits that were stored before. */
  readonly replayed: number;
  /** Streams whose controls hold. */
  readonly controls: number;
  /** Placeholders that were stored for hidden events. */
  readonly placeholders: bigint;
  /** Events of which the contents were erased. */
  readonly erased: number;
}

async function storeAll(
  context: Context,
  source: AsyncIterable<Buffer | string>,
  totalBytes: number,
): Promise<Imported> {
  const progress = createProgress(context.errSink);
  const beganMs = Date.now();
  let [commits, events, replayed, controls] = [0, 0, 0, 0];
  const ofStreams = new Controls(context);
  const erasures = new Erasures(context);
  const onControl = (control: ExportedControl, line: number): void => {
    controls++;
    ofStreams.add(control, line);
    erasures.know(control);
  };
  const prepared = preparedBy(ofStreams, commitsIn(source, onControl));
  try {
    for await (const { read, replayed: wasStored } of storeInOrder(context, prepared, ofStreams)) {
      commits++;
      events += eventCountOf(read.commit);
      if (wasStored) replayed++;
      await erasures.add(read);
      const rate = Math.round((1_000 * events) / Math.max(1, Date.now() - beganMs));
      progress.show(read.bytes, totalBytes, `${events} events, ${rate}/s`);
    }
    await erasures.flush();
    await ofStreams.afterCommits();
  } catch (error) {
    progress.clear();
    if (commits > 0) {
      await context.err.line(
        `sluice: stored ${isDefinite(error) ? '' : 'at least '}${counted(commits, 'commit')}; ` +
          'repeat the import to continue: it skips them',
      );
    }
    throw error;
  }
  progress.clear();
  return {
    commits,
    events,
    replayed,
    controls,
    placeholders: ofStreams.placeholders,
    erased: erasures.events,
  };
}

/** Each commit when the streams that begin with it can take it. */
async function* preparedBy(
  controls: Controls,
  commits: AsyncIterable<FileCommit>,
): AsyncGenerator<FileCommit, void> {
  for await (const read of commits) {
    try {
      await controls.beforeCommit(read.commit);
    } catch (error) {
      throw new LineError(read.line, error);
    }
    yield read;
  }
}

function eventCountOf({ appends }: ExportedCommit): number {
  return appends.reduce((sum, { events }) => sum + events.length, 0);
}
