import type { VNode } from 'preact';
import { useState } from 'preact/hooks';
import { EventTable } from '../parts/event-table';
import { FollowState } from '../parts/follow-state';
import { counted, rateText } from '../parts/numbers';
import { Field, Form, Page } from '../parts/page';
import { addressOf, go } from '../parts/route';
import { SameAs } from '../parts/same-as';
import { followedEventsMax, useFollow } from '../parts/use-follow';

interface Props {
  readonly query: URLSearchParams;
}

/** Events as they are stored. */
export function TailPage({ query }: Props): VNode {
  const patterns = words(query.get('patterns') ?? '');
  const types = words(query.get('types') ?? '');
  const [paused, setPaused] = useState(false);
  const key = JSON.stringify([patterns, types]);
  const followed = {
    patterns: patterns.length === 0 ? undefined : patterns,
    eventTypes: types.length === 0 ? undefined : types,
    skipUnreadable: true,
  };
  const follow = useFollow({ followed, key, paused });
  return (
    <Page title="Tail">
      <Filter key={key} patterns={patterns.join(' ')} types={types.join(' ')} />
      <div class="bar">
        <button
          type="button"
          aria-pressed={paused}
          onClick={() => {
            setPaused(!paused);
          }}
        >
          {paused ? 'Go on' : 'Pause'}
        </button>
        <FollowState following={follow.following} paused={paused} />
        <span class="count">
          <b>{counted(follow.count, 'event')}</b>, {rateText(follow.rate)} /s
        </span>
        {follow.count > followedEventsMax && (
          <span class="hint">the newest {followedEventsMax} are shown</span>
        )}
        {paused && <span class="hint">What is stored meanwhile comes when you go on.</span>}
      </div>
      {follow.events.length === 0 ? (
        <p class="nothing">Waiting for the next event.</p>
      ) : (
        <EventTable events={follow.events} withStream label="Events as they are stored" />
      )}
      <SameAs
        commands={{
          method: 'EventStoreService/Subscribe',
          request: { ...followed, fromNow: true },
          sluice: ['tail', ...patterns, ...types.flatMap((type) => ['--type', type]), '--skip-unreadable'],
        }}
      />
    </Page>
  );
}

function words(text: string): string[] {
  return text.split(/[\s,]+/).filter((word) => word !== '');
}

function Filter({
  patterns: first,
  types: firstTypes,
}: {
  readonly patterns: string;
  readonly types: string;
}): VNode {
  const [patterns, setPatterns] = useState(first);
  const [types, setTypes] = useState(firstTypes);
  return (
    <Form
      label="What to follow"
      onSubmit={() => {
        go(addressOf(['tail'], { patterns: patterns.trim(), types: types.trim() }));
      }}
    >
      <Field
        label="Streams"
        name="patterns"
        value={patterns}
        onInput={setPatterns}
        placeholder="order.* payment.>"
      />
      <Field
        label="Types"
        name="types"
        value={types}
        onInput={setTypes}
        placeholder="OrderPlaced OrderPaid"
      />
      <button type="submit">Follow</button>
    </Form>
  );
}
