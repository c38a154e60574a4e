import { constants } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';
import type { Output } from './output';
import { createTally, headerBegin, readRecord, type ExportHeader, type Tally } from './export-format';
import { CommandError } from './failure';
import { readLines } from './lines';

/** How many bytes are read or written at a time. */
const pieceBytes = 64 << 10;

/** Where an export is written, with the part that an earlier, interrupted export has written. */
export interface ExportTarget {
  /** undefined: nothing is written yet. */
  readonly header: ExportHeader | undefined;
  readonly tally: Tally;
  /** The line of the last commit. */
  readonly lastCommit: string | undefined;
  /** Writes a line; resolves when the next one can be written. */
  write(line: string): Promise<void>;
  /** Resolves when everything is on disk. */
  close(): Promise<void>;
}

/** An export to standard output cannot be continued. */
export function exportToOutput(out: Output): ExportTarget {
  const write = (line: string): Promise<void> => out.line(line);
  const close = (): Promise<void> => Promise.resolve();
  return { header: undefined, tally: createTally(), lastCommit: undefined, write, close };
}

/**
 * A file that only its owner can read: a new one, or that of an interrupted export, which is truncated after its last complete
 * line. Throws CommandError for a complete export, for a file that is not an export, and for a link.
 */
export async function exportToFile(path: string): Promise<ExportTarget> {
  const handle = await openRegular(path);
  try {
    const { size } = await handle.stat();
    const found = await readUnfinished(handle, path, size);
    await handle.chmod(0o600);
    await handle.truncate(found.bytes);
    let waiting = '';
    const flush = async (): Promise<void> => {
      const text = waiting;
      waiting = '';
      await handle.appendFile(text);
    };
    return {
      ...found,
      async write(line) {
        waiting += `${line}\n`;
        if (waiting.length >= pieceBytes) await flush();
      },
      async close() {
        try {
          await flush();
          await handle.sync();
        } finally {
          await handle.close();
        }
      },
    };
  } catch (error) {
    await handle.close();
    throw error;
  }
}

/** Opens or creates a file. Another user who can write to the folder must not redirect the events by a link. */
async function openRegular(path: string): Promise<FileHandle> {
  const { O_RDWR, O_APPEND, O_CREAT, O_NOFOLLOW } = constants;
  const handle = await open(path, O_RDWR | O_APPEND | O_CREAT | O_NOFOLLOW, 0o600).catch((error: unknown) => {
    const { code } = error as NodeJS.ErrnoException;
    throw code === 'ELOOP' ? new CommandError(`${path} is a symbolic link; name the file itself`) : error;
  });
  try {
    const facts = await handle.stat();
    if (!facts.isFile()) {
      throw new CommandError(
        `${path} is not a regular file; leave --output out and redirect standard output`,
      );
    }
    if (facts.nlink > 1) throw new CommandError(`${path} has several hard links; name a new file`);
    return handle;
  } catch (error) {
    await handle.close();
    throw error;
  }
}

interface Unfinished {
  readonly header: ExportHeader | undefined;
  readonly tally: Tally;
  readonly lastCommit: string | undefined;
  /** The bytes of its complete lines. */
  readonly bytes: number;
}

async function readUnfinished(handle: FileHandle, path: string, size: number): Promise<Unfinished> {
  const tally = createTally();
  let header: ExportHeader | undefined;
  let lastLine: Buffer | undefined;
  let bytes = 0;
  if (size > 0) {
    for await (const line of readLines(contentOf(handle))) {
      if (!line.isComplete) {
        if (line.number === 1) checkBeginning(path, line.bytes.toString());
        break;
      }
      const record = readRecord(line, tally);
      if (record.kind === 'trailer') {
        throw new CommandError(`${path} is already a complete export; remove it, or name another file`);
      }
      if (record.kind === 'header') ({ header } = record);
      if (record.kind === 'commit') lastLine = line.bytes;
      bytes += line.bytes.length + 1;
    }
  }
  // What the header says of controls is of its time: without a commit, there is nothing to continue.
  if (lastLine === undefined)
    return { header: undefined, tally: createTally(), lastCommit: undefined, bytes: 0 };
  return { header, tally, lastCommit: lastLine.toString(), bytes };
}

async function* contentOf(handle: FileHandle): AsyncGenerator<Buffer, void> {
  for (let position = 0; ;) {
    const { buffer, bytesRead } = await handle.read(Buffer.allocUnsafe(pieceBytes), 0, pieceBytes, position);
    if (bytesRead === 0) return;
    yield buffer.subarray(0, bytesRead);
    position += bytesRead;
  }
}

/** An incomplete first line is about to be removed: it must be the beginning of a header, not of another kind of file. */
function checkBeginning(path: string, text: string): void {
  if (headerBegin.startsWith(text) || text.startsWith(headerBegin)) return;
  throw new CommandError(`${path} is not an export of Sluice`);
}
