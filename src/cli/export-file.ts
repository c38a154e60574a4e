import { once } from 'node:events';
import { createReadStream, createWriteStream } from 'node:fs';
import { open } from 'node:fs/promises';
import type { Output } from './output';
import { createTally, headerBegin, readRecord, type ExportHeader, type Tally } from './export-format';
import { CommandError } from './failure';
import { readLines } from './lines';

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
 * A file: a new one, or one that an export was not finished with. That one loses what follows its last complete line.
 * Throws CommandError for a complete export, and for a file that is no export.
 */
export async function exportToFile(path: string): Promise<ExportTarget> {
  const handle = await open(path, 'a+');
  try {
    const { size } = await handle.stat();
    const found = await readUnfinished(path, size);
    await handle.truncate(found.bytes);
    const stream = createWriteStream(path, { flags: 'a' });
    await once(stream, 'open');
    let failure: Error | undefined;
    stream.on('error', (error) => (failure = error));
    return {
      ...found,
      async write(line) {
        if (failure !== undefined) throw failure;
        if (!stream.write(`${line}\n`)) await once(stream, 'drain');
      },
      async close() {
        try {
          await new Promise<void>((resolve, reject) => {
            stream.once('error', reject);
            if (failure === undefined) stream.end(resolve);
            else reject(failure);
          });
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

interface Unfinished {
  readonly header: ExportHeader | undefined;
  readonly tally: Tally;
  readonly lastCommit: string | undefined;
  /** How many bytes of it are complete lines. */
  readonly bytes: number;
}

async function readUnfinished(path: string, size: number): Promise<Unfinished> {
  const tally = createTally();
  let header: ExportHeader | undefined;
  let lastLine: Buffer | undefined;
  let bytes = 0;
  if (size > 0) {
    for await (const line of readLines(createReadStream(path) as AsyncIterable<Buffer>)) {
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

/** What is about to be cut off must be the beginning of a header, not a file of somebody else's. */
function checkBeginning(path: string, text: string): void {
  if (headerBegin.startsWith(text) || text.startsWith(headerBegin)) return;
  throw new CommandError(`${path} is not an export of Sluice`);
}
