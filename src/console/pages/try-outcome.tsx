import type { VNode } from 'preact';
import { EventTable } from '../parts/event-table';
import { EventLink, StreamLink } from '../parts/names';
import { grouped } from '../parts/numbers';
import { addressOf } from '../parts/route';
import { shown } from '../parts/shown';
import type { Attempt } from '../reads/try-append';
import type { Conflict } from '../wire/call-error';

/** What would become of an append to a stream. */
export function TryOutcome({
  stream,
  attempt,
}: {
  readonly stream: string;
  readonly attempt: Attempt;
}): VNode {
  switch (attempt.kind) {
    case 'accepted':
      return (
        <div class="outcome good" role="status">
          <p class="problem-title">It would be accepted</p>
          <p>
            An event would be version <b>{grouped(attempt.version)}</b> of <StreamLink name={stream} />.
            Nothing was stored.
          </p>
        </div>
      );
    case 'conflict':
      return <ConflictOutcome conflict={attempt.conflict} message={attempt.message} />;
    case 'condition':
      return (
        <>
          <div class="outcome bad" role="alert">
            <p class="problem-title">The condition would refuse it</p>
            <p>The first event that the condition selects has position {grouped(attempt.position)}.</p>
            <p class="faint wrap">{shown(attempt.message)}</p>
          </div>
          {attempt.event !== undefined && (
            <EventTable events={[attempt.event]} withStream label="The event that refuses it" />
          )}
        </>
      );
  }
}

function ConflictOutcome({
  conflict,
  message,
}: {
  readonly conflict: Conflict;
  readonly message: string;
}): VNode {
  const { stream, expected, actual } = conflict;
  return (
    <div class="outcome bad" role="alert">
      <p class="problem-title">It would be a conflict</p>
      <dl class="facts">
        <div class="fact">
          <dt>Stream</dt>
          <dd>
            <StreamLink name={stream} />
          </dd>
        </div>
        <div class="fact">
          <dt>Expected</dt>
          <dd>{expected === undefined ? 'that it exists' : `version ${grouped(expected)}`}</dd>
        </div>
        <div class="fact">
          <dt>Is at</dt>
          <dd>
            {actual === '0' ? (
              'version 0: it does not exist'
            ) : (
              <>
                version <EventLink stream={stream} version={actual} />
              </>
            )}
          </dd>
        </div>
      </dl>
      <Since conflict={conflict} />
      <p class="faint wrap">{shown(message)}</p>
    </div>
  );
}

/** What came in between. */
function Since({ conflict: { stream, expected, actual } }: { readonly conflict: Conflict }): VNode | null {
  const count = expected === undefined ? 0n : BigInt(actual) - BigInt(expected);
  if (count <= 0n) return null;
  return (
    <p>
      <a href={addressOf(['stream', stream], { from: actual })}>
        {count === 1n ? 'See the event' : `See the ${grouped(count)} events`} that came in between
      </a>
    </p>
  );
}
