import type { StreamDescription } from '../client/client';
import type { Context } from './command';

type Call = Pick<Context, 'client' | 'deadlineMs' | 'signal'>;

/** Streams whose descriptions are read side by side. */
const readTogether = 32;

/** The streams of patterns that have had a control; empty: of the whole store. */
export async function* controlledStreams(
  { client, deadlineMs, signal }: Call,
  patterns: readonly string[],
): AsyncGenerator<StreamDescription, void> {
  const call = { deadlineMs, signal };
  const seen = new Set<string>();
  let names: string[] = [];
  const describe = (): Promise<StreamDescription[]> => {
    const together = names;
    names = [];
    return Promise.all(together.map((name) => client.streams.get(name, call)));
  };
  for (const pattern of patterns.length === 0 ? [undefined] : patterns) {
    for await (const { stream, hasControls } of client.listStreams({
      pattern,
      includeDeleted: true,
      signal,
    })) {
      if (!hasControls || seen.has(stream)) continue;
      // Only patterns that overlap list a stream twice.
      if (patterns.length > 1) seen.add(stream);
      names.push(stream);
      if (names.length === readTogether) yield* await describe();
    }
  }
  yield* await describe();
}
