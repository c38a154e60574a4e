import type { VNode } from 'preact';
import { EventDetails } from '../parts/event-details';
import { EventTable } from '../parts/event-table';
import { EventTree } from '../parts/event-tree';
import { EventLink, StreamLink, TypeName } from '../parts/names';
import { counted } from '../parts/numbers';
import { Busy, Page } from '../parts/page';
import { Problem } from '../parts/problem';
import { addressOf } from '../parts/route';
import { SameAs } from '../parts/same-as';
import { shown } from '../parts/shown';
import { useCall } from '../parts/use-call';
import { causesOf, causationTree } from '../reads/causation-tree';
import { readCommit, readCorrelated, readEvent } from '../reads/commit';
import type { RecordedEvent } from '../wire/messages';

/** One event: its contents, what was stored with it, what caused it, and all of its correlation id. */
export function EventPage({ stream, version }: { readonly stream: string; readonly version: string }): VNode {
  const read = useCall(
    async (signal) => ({ event: await readEvent(stream, version, signal) }),
    `${stream} ${version}`,
  );
  const event = read.data?.event;
  return (
    <Page
      title={`${stream} ${version}`}
      above={
        <>
          <a href={addressOf(['streams'])}>Streams</a> / <StreamLink name={stream} />
        </>
      }
      heading={
        event === undefined ? (
          `Version ${version}`
        ) : (
          <>
            <TypeName type={event.type} /> <span class="faint">version {shown(version)}</span>
          </>
        )
      }
    >
      <Problem error={read.error} again={read.again} />
      <Busy busy={read.busy} />
      {read.data !== undefined && event === undefined && (
        <p class="nothing">The stream has no event of this version that can be read.</p>
      )}
      {event !== undefined && <EventDetails event={event} />}
      {event !== undefined && <Neighbours stream={stream} version={version} />}
      {event !== undefined && <Mates event={event} />}
      {event?.correlationId !== undefined && <Correlated event={event} id={event.correlationId} />}
      <SameAs
        commands={{
          method: 'EventStoreService/ReadStream',
          request: { stream, fromVersion: version, toVersion: version },
          sluice: ['read', stream, '--from', version, '--to', version],
        }}
      />
    </Page>
  );
}

function Neighbours({ stream, version }: { readonly stream: string; readonly version: string }): VNode {
  const before = BigInt(version) - 1n;
  return (
    <nav class="pages" aria-label="Other versions">
      {before > 0n && (
        <a href={addressOf(['event', stream, before.toString()])}>Version {before.toString()}</a>
      )}
      <a href={addressOf(['event', stream, (BigInt(version) + 1n).toString()])}>
        Version {(BigInt(version) + 1n).toString()}
      </a>
    </nav>
  );
}

/** The other events of its commit. */
function Mates({ event }: { readonly event: RecordedEvent }): VNode | null {
  const position = event.position ?? '1';
  const read = useCall((signal) => readCommit(position, signal), position);
  const mates =
    read.data?.events.filter((other) => other.id !== event.id || other.stream !== event.stream) ?? [];
  return (
    <section aria-labelledby="mates">
      <h2 id="mates">Stored with it</h2>
      <Problem error={read.error} again={read.again} />
      {read.data !== undefined && mates.length === 0 && (
        <p class="faint">It is the only event of its commit.</p>
      )}
      {mates.length > 0 && <EventTable events={mates} withStream label="Events of the same commit" />}
    </section>
  );
}

/** What caused it, upward, and the tree of its correlation id. */
function Correlated({ event, id }: { readonly event: RecordedEvent; readonly id: string }): VNode {
  const read = useCall((signal) => readCorrelated(id, signal), id);
  const events = read.data?.events ?? [];
  const causes = causesOf(event, events);
  const isRoot = event.causationId === event.id;
  return (
    <>
      <section aria-labelledby="causes">
        <h2 id="causes">Caused by</h2>
        {isRoot && <p class="faint">It is a root: nothing in the store caused it.</p>}
        {!isRoot && read.data !== undefined && causes.length === 0 && (
          <p class="wrap">
            <bdi class="mono">{shown(event.causationId ?? '')}</bdi>{' '}
            <span class="faint">
              is no event of this correlation id: a command, or an event of elsewhere.
            </span>
          </p>
        )}
        <ol class="causes">
          {causes.map((cause) => (
            <li key={cause.id}>
              <TypeName type={cause.type} /> <StreamLink name={cause.stream} />{' '}
              <EventLink stream={cause.stream} version={cause.version} />
            </li>
          ))}
        </ol>
      </section>
      <section aria-labelledby="tree">
        <h2 id="tree">Correlation</h2>
        <p class="summary">
          <bdi class="mono wrap">{shown(id)}</bdi>
          {read.data !== undefined && <span>{counted(events.length, 'event')}</span>}
          {read.data?.header?.limitedToGrants === true && (
            <span class="faint">of streams that you may read</span>
          )}
          {read.data !== undefined && read.data.cut !== 'no' && <span class="faint">there are more</span>}
        </p>
        <Problem error={read.error} again={read.again} />
        <EventTree nodes={causationTree(events)} current={event} />
      </section>
    </>
  );
}
