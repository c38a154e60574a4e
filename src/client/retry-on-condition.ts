import type { AppendCondition } from './append-condition';
import { AppendConditionFailedError, ConditionContendedError, VersionConflictError } from './errors';
import type { RecordedEvent } from './event';
import type { EventQuery } from './event-query';
import type { AllRead, ReadAllOptions } from './read-all';
import { attemptsOf, pauseAfter, type RetryOnConflictOptions } from './retry-on-conflict';

/**
 * Reads the events of a query, decides and appends, and starts again when somebody has stored an event of the query in between:
 *
 *     const query = { items: [{ tags: ['course:c1'] }] };
 *     await withRetryOnCondition(client, query, (events, condition) =>
 *       client.append('enrolment.c1', enrol(events), { condition }),
 *     );
 *
 * `decide` gets all events that the query selects, in order, and the condition to append with. It may append to any streams. Returns
 * the result of `decide`. Fails with the AppendConditionFailedError, ConditionContendedError or VersionConflictError of the last
 * attempt, or at once with any other error.
 */
export async function withRetryOnCondition<Result>(
  client: { readAll(options: ReadAllOptions): AllRead },
  query: EventQuery,
  decide: (events: readonly RecordedEvent[], condition: AppendCondition) => Promise<Result>,
  options: RetryOnConflictOptions = {},
): Promise<Result> {
  const { signal } = options;
  const attemptsMax = attemptsOf(options);
  const events: RecordedEvent[] = [];
  let after = 0n;
  for (let attempt = 1; ; attempt++) {
    signal?.throwIfAborted();
    // A later attempt needs only what came since.
    const read = client.readAll({ query, after, signal });
    for await (const event of read) events.push(event);
    after = read.head.position;
    try {
      return await decide([...events], { query, after });
    } catch (error) {
      const isRetried = retried.some((kind) => error instanceof kind);
      if (!isRetried || attempt >= attemptsMax) throw error;
    }
    await pauseAfter(attempt, signal);
  }
}

const retried = [AppendConditionFailedError, ConditionContendedError, VersionConflictError];
