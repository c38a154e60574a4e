import { constants } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';
import type { Output } from './output';
import { createTally, headerBegin, readRecord, type ExportHeader, type Tally } from './export-format';
import { CommandError } from './failure';
import { readLines } from './lines';

/** Read and written at a time. */
const pieceBytes = 64 << 10;

/** An export under way: what it has, and where the rest goes. */
export interface ExportTarget {
  /** What it has already; undefined: not even a header. */
  readonly header: ExportHeader | undefined;
  readonly tally: Tally;
  /** The last commit that it has, as it stands there. */
  readonly lastCommit: string | undefined;
  /** Writes a line; resolves when there is room for more. */
  write(line: string): Promise<void>;
  /** All is on disk when it resolves. */
  close(): Promise<void>;
}

/** Standard output, which cannot be gone on with. */
export function exportToOutput(out: Output): ExportTarget {
  const write = (line: string): Promise<void> => out.line(line);
  const close = (): Promise<void> => Promise.resolve();
  return { header: undefined, tally: createTally(), lastCommit: undefined, write, close };
}

/**
 * A file for its owner alone: a new one, or one that an export was not finished with. That one loses what follows its last
 * complete line. Throws CommandError for a complete export, for a file that is no export, and for a link.
 */
export async function exportToFile(path: string): Promise<ExportTarget> {
  const handle = await openOwn(path);
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

/** Opens a file, or makes it. Who can write to the folder must not choose by a link where the events go. */
async function openOwn(path: string): Promise<FileHandle> {
  const { O_RDWR, O_APPEND, O_CREAT, O_NOFOLLOW } = constants;
  const handle = await open(path, O_RDWR | O_APPEND | O_CREAT | O_NOFOLLOW, 0o600).catch((error: unknown) => {
    const { code } = error as NodeJS.ErrnoException;
    throw code === 'ELOOP' ? new CommandError(`${path} is a symbolic link; name the file itself`) : error;
  });
  try {
    const facts = await handle.stat();
    if (!facts.isFile()) {
      throw new CommandError(`${path} is not a regular file; without --output, standard output can go there`);
    }
    if (facts.nlink > 1) throw new CommandError(`${path} is a file with several names; name a new one`);
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
  /** How many bytes of it are complete lines. */
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
        throw new CommandError(`${path} holds a complete export already; remove it, or name another file`);
      }
      if (record.kind === 'header') ({ header } = record);
      else lastLine = line.bytes;
      bytes += line.bytes.length + 1;
    }
  }
  return { header, tally, lastCommit: lastLine?.toString(), bytes };
}

async function* contentOf(handle: FileHandle): AsyncGenerator<Buffer, void> {
  for (let position = 0; ;) {
    const { buffer, bytesRead } = await handle.read(Buffer.allocUnsafe(pieceBytes), 0, pieceBytes, position);
    if (bytesRead === 0) return;
    yield buffer.subarray(0, bytesRead);
    position += bytesRead;
  }
}

/** What is about to be cut off must be the beginning of a header, not a file of somebody else's. */
function checkBeginning(path: string, text: string): void {
  if (headerBegin.startsWith(text) || text.startsWith(headerBegin)) return;
  throw new CommandError(`${path} is not an export of Sluice`);
}
