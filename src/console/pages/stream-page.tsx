import type { VNode } from 'preact';
import { useState } from 'preact/hooks';
import { EventTable, keyOf } from '../parts/event-table';
import { FollowState } from '../parts/follow-state';
import { State } from '../parts/names';
import { counted, grouped, rateText } from '../parts/numbers';
import { Busy, Page } from '../parts/page';
import { Problem } from '../parts/problem';
import { addressOf, go, type Query } from '../parts/route';
import { SameAs } from '../parts/same-as';
import { shown } from '../parts/shown';
import { Time } from '../parts/time';
import { useCall } from '../parts/use-call';
import { followedEventsMax, useFollow } from '../parts/use-follow';
import {
  readStreamPage,
  streamPageEvents,
  streamPageRequest,
  versionAsOf,
  type StreamPage,
} from '../reads/stream-page';
import type { ReadStreamHeader } from '../wire/messages';
import { StreamFilter } from './stream-filter';

interface Props {
  readonly name: string;
  readonly query: URLSearchParams;
}

/** A stream, the newest event first. The address has what is shown: from which version, as of which time, which types. */
export function StreamPage({ name, query }: Props): VNode {
  const asOf = query.get('asOf') ?? undefined;
  const from = query.get('from') ?? undefined;
  const types = (query.get('types') ?? '').split(',').filter((type) => type !== '');
  const page: StreamPage = { stream: name, from, asOf, types };
  const key = JSON.stringify(page);
  const read = useCall((signal) => readStreamPage(page, signal), key);
  const then = useCall(asOf === undefined ? undefined : (signal) => versionAsOf(name, asOf, signal), key);
  const header = read.data?.header;
  const address = (changes: Query): string =>
    addressOf(['stream', name], { from, asOf, types: types.join(','), ...changes });
  const canFollow = asOf === undefined && from === undefined;
  return (
    <Page
      title={name}
      above={<a href={addressOf(['streams'])}>Streams</a>}
      heading={<bdi class="mono wrap">{shown(name)}</bdi>}
    >
      <StreamFacts header={header} />
      <StreamFilter
        key={key}
        name={name}
        page={page}
        onChange={(changes) => {
          go(address({ ...changes }));
        }}
      />
      {asOf !== undefined && (
        <p class="banner">
          As of <Time at={asOf} /> the stream was at version {then.data?.version ?? '0'}. Later events are
          left out. <a href={address({ asOf: undefined, from: undefined })}>Show it as it is now</a>
        </p>
      )}
      <Problem error={read.error} again={read.again} />
      <Busy busy={read.busy && read.data === undefined} />
      {read.data !== undefined && canFollow && (
        <Live
          name={name}
          types={types}
          after={header?.version ?? '0'}
          key={`live ${key} ${header?.version ?? ''}`}
        />
      )}
      {read.data !== undefined && read.data.events.length > 0 && (
        <EventTable
          events={read.data.events}
          label={`Events of ${name}`}
          key={keyOf(read.data.events[0] ?? {})}
        />
      )}
      {read.data?.events.length === 0 && <p class="nothing">{emptyText(header, page)}</p>}
      {read.data !== undefined && (
        <Pages
          events={read.data.events}
          cut={read.data.cut}
          isNewest={from === undefined}
          address={address}
        />
      )}
      <SameAs
        commands={{
          method: 'EventStoreService/ReadStream',
          request: streamPageRequest(page),
          sluice: asOf === undefined ? sluiceWords(page) : undefined,
        }}
      />
    </Page>
  );
}

function sluiceWords({ stream, from, types }: StreamPage): string[] {
  const range = from === undefined ? [] : ['--from', from];
  const filter = types.flatMap((type) => ['--type', type]);
  return ['read', stream, '--reverse', '--max-count', streamPageEvents.toString(), ...range, ...filter];
}

function emptyText(header: ReadStreamHeader | undefined, { types, asOf }: StreamPage): string {
  if (header?.version === undefined)
    return 'There is no stream of this name, or nothing has been appended to it yet.';
  if (header.state === 'STREAM_STATE_DELETED')
    return 'The stream was deleted. The next append goes on with the next version.';
  if (header.state === 'STREAM_STATE_TOMBSTONED')
    return 'The stream was tombstoned. It takes no more events.';
  if (types.length > 0 || asOf !== undefined) return 'No event of the stream is selected.';
  return 'No event of the stream can be read: all are hidden.';
}

function StreamFacts({ header }: { readonly header: ReadStreamHeader | undefined }): VNode {
  const { version, firstVersion = '1', commitTime, position, state } = header ?? {};
  return (
    <p class="summary">
      {version === undefined ? (
        <span class="faint">{header === undefined ? '\u00a0' : 'does not exist'}</span>
      ) : (
        <>
          <span>
            version <b>{grouped(version)}</b>
          </span>
          <State state={state} />
          {firstVersion !== '1' && <span>begins at version {grouped(firstVersion)}</span>}
          <span>
            last commit <Time at={commitTime} />
          </span>
          <span class="faint">position {grouped(position)}</span>
        </>
      )}
    </p>
  );
}

interface PagesProps {
  readonly events: readonly { readonly version?: string | undefined }[];
  readonly cut: 'no' | 'count' | 'bytes';
  readonly isNewest: boolean;
  readonly address: (changes: Query) => string;
}

function Pages({ events, cut, isNewest, address }: PagesProps): VNode | null {
  const older = BigInt(events.at(-1)?.version ?? '1') - 1n;
  const hasOlder = cut !== 'no' && older > 0n;
  if (!hasOlder && isNewest) return null;
  return (
    <nav class="pages" aria-label="Pages">
      {!isNewest && <a href={address({ from: undefined })}>Newest</a>}
      {hasOlder && <a href={address({ from: older.toString() })}>Older</a>}
      {cut === 'bytes' && <span class="hint">The page ends here, since its events are large.</span>}
    </nav>
  );
}

/** What is appended from now on, above what was read. */
function Live({
  name,
  types,
  after,
}: {
  readonly name: string;
  readonly types: readonly string[];
  readonly after: string;
}): VNode {
  const [on, setOn] = useState(false);
  const [begun, setBegun] = useState(false);
  const follow = useFollow({
    followed: begun ? { stream: name, eventTypes: types.length === 0 ? undefined : [...types] } : undefined,
    key: begun.toString(),
    afterVersion: after,
    paused: !on,
  });
  return (
    <section class="live" aria-label="New events">
      <div class="bar">
        <button
          type="button"
          aria-pressed={on}
          onClick={() => {
            setBegun(true);
            setOn(!on);
          }}
        >
          {on ? 'Pause' : 'Follow live'}
        </button>
        {begun && <FollowState following={follow.following} paused={!on} />}
        {begun && (
          <span class="count">
            <b>{counted(follow.count, 'new event')}</b>, {rateText(follow.rate)} /s
          </span>
        )}
        {follow.count > followedEventsMax && (
          <span class="hint">the newest {followedEventsMax} are shown</span>
        )}
      </div>
      {follow.events.length > 0 && <EventTable events={follow.events} label="New events" />}
    </section>
  );
}
