import type { RecordedEvent } from '../client/client';

/** Groups events by commit: all events with the same position. */
export async function* commitsOf(
  events: AsyncIterable<RecordedEvent>,
): AsyncGenerator<readonly RecordedEvent[], void> {
  let commit: RecordedEvent[] = [];
  for await (const event of events) {
    const [first] = commit;
    if (first !== undefined && first.position !== event.position) {
      yield commit;
      commit = [];
    }
    commit.push(event);
  }
  if (commit.length > 0) yield commit;
}
