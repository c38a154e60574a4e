import { readFile } from 'node:fs/promises';

/** A line of dashes, one line of a JWT or a seed, and a line of dashes again. */
const section = /-{3,}[^\n]*-{3,}\n.+\n\s*-{3,}[^\n]*-{3,}\n/g;

/**
 * A file of NATS credentials for the package `nats`, which requires LF and one at the end; the tools of NATS also accept CRLF and
 * a last line without an end. Throws if the file does not contain a JWT and a seed.
 */
export async function readCredentials(path: string): Promise<Uint8Array> {
  const text = await readFile(path, 'utf8');
  const lines = text.replace(/\r\n?/g, '\n').trimEnd() + '\n';
  if ((lines.match(section) ?? []).length < 2) {
    throw new Error(
      `${path} is not a file of NATS credentials: it needs a JWT and a seed, each between lines of dashes`,
    );
  }
  return Buffer.from(lines);
}
