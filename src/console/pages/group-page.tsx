import type { VNode } from 'preact';
import { useState } from 'preact/hooks';
import { Confirm } from '../parts/confirm';
import { factsOf } from '../parts/group-facts';
import { EventLink, StreamLink, TypeName } from '../parts/names';
import { counted, grouped } from '../parts/numbers';
import { Busy, Page } from '../parts/page';
import { Problem } from '../parts/problem';
import { addressOf } from '../parts/route';
import { SameAs } from '../parts/same-as';
import { shown } from '../parts/shown';
import { Time } from '../parts/time';
import { useCall } from '../parts/use-call';
import { getGroup, listParked, parkedMax } from '../reads/groups';
import { call } from '../wire/connect';
import type { GetGroupResponse, ParkedEvent } from '../wire/group-messages';
import { Lanes, Members } from './group-lanes';

const everyMs = 2_000;

/** A consumer group: how far it is, who works for it, and what it has parked. */
export function GroupPage({ name }: { readonly name: string }): VNode {
  const read = useCall((signal) => getGroup(name, signal), name, everyMs);
  const state = read.data;
  return (
    <Page
      title={name}
      above={<a href={addressOf(['groups'])}>Groups</a>}
      heading={<bdi class="mono wrap">{shown(name)}</bdi>}
    >
      <Problem error={read.error} again={read.again} />
      <Busy busy={read.busy && state === undefined} />
      {state !== undefined && (
        <>
          <Numbers state={state} />
          <Parked group={name} count={state.parkedCount ?? 0} />
          <Members members={state.members ?? []} />
          <Lanes lanes={state.lanes ?? []} />
        </>
      )}
      <SameAs
        commands={{
          method: 'ConsumerGroupService/GetGroup',
          request: { group: name },
          sluice: ['group', 'get', name],
        }}
      />
    </Page>
  );
}

function Numbers({ state }: { readonly state: GetGroupResponse }): VNode {
  const facts = factsOf(state);
  const settings = state.group?.settings;
  const types = [
    ...(settings?.eventTypes ?? []),
    ...(settings?.eventTypePrefixes ?? []).map((prefix) => `${prefix}…`),
  ];
  return (
    <>
      <p class="summary">
        <span>
          streams <bdi class="mono wrap">{shown(settings?.patterns?.join(' ') ?? 'all')}</bdi>
        </span>
        <span>
          types <bdi class="mono wrap">{types.length === 0 ? 'all' : shown(types.join(' '))}</bdi>
        </span>
      </p>
      <section class="numbers" aria-label="Numbers">
        <Tile title="Behind" value={facts.behind} note="positions, at most as many commits" />
        <Tile
          title="Oldest unsettled"
          value={facts.oldest ?? 'none'}
          note={facts.oldest === undefined ? 'nothing is outstanding' : 'since it was committed'}
        />
        <Tile title="Members" value={facts.members} note={`share ${facts.lanes}`} />
        <Tile title="Parked" value={facts.parked} note={`of at most ${grouped(settings?.parkedMax)}`} />
      </section>
    </>
  );
}

function Tile({
  title,
  value,
  note,
}: {
  readonly title: string;
  readonly value: string;
  readonly note: string;
}): VNode {
  return (
    <div class="tile">
      <h2>{title}</h2>
      <p class="big">{value}</p>
      <p class="faint">{note}</p>
    </div>
  );
}

function Parked({ group, count }: { readonly group: string; readonly count: number }): VNode {
  const read = useCall((signal) => listParked(group, signal), `${group} ${count.toString()}`, 4 * everyMs);
  const [result, setResult] = useState<{ text?: string; error?: unknown }>({});
  const parked = read.data ?? [];
  const replay = async (stream?: string, version?: string): Promise<void> => {
    try {
      const response = await call(
        'ConsumerGroupService/ReplayParked',
        { group, stream, version },
        new AbortController().signal,
      );
      setResult({ text: `${counted(response.count, 'event')} will be delivered again.` });
    } catch (error) {
      setResult({ error });
    }
    read.again();
  };
  return (
    <section aria-labelledby="parked">
      <h2 id="parked">Parked events</h2>
      <Problem error={read.error ?? result.error} />
      <p role="status" class="done">
        {result.text}
      </p>
      {read.data?.length === 0 && <p class="faint">No event is parked.</p>}
      {parked.length > 0 && (
        <>
          <ParkedTable parked={parked} replay={(stream, version) => void replay(stream, version)} />
          {count > parkedMax && <p class="hint">The first {parkedMax} are shown.</p>}
          <Confirm
            label="Replay all"
            word={group}
            what={`Deliver ${counted(count, 'parked event')} again, in order for each stream.`}
            onConfirm={() => replay()}
          />
        </>
      )}
    </section>
  );
}

interface ParkedProps {
  readonly parked: readonly ParkedEvent[];
  readonly replay: (stream: string | undefined, version: string | undefined) => void;
}

function ParkedTable({ parked, replay }: ParkedProps): VNode {
  return (
    <div class="scroll">
      <table class="parked" aria-label="Parked events">
        <thead>
          <tr>
            <th scope="col">Stream</th>
            <th scope="col" class="number">
              Version
            </th>
            <th scope="col">Type</th>
            <th scope="col" class="wide">
              Reason
            </th>
            <th scope="col" class="number">
              Attempts
            </th>
            <th scope="col">Parked</th>
            <th scope="col">
              <span class="offscreen">Action</span>
            </th>
          </tr>
        </thead>
        <tbody>
          {parked.map((event) => (
            <tr key={`${event.stream ?? ''} ${event.version ?? ''}`}>
              <td class="stream-cell">
                <StreamLink name={event.stream} />
              </td>
              <td class="number" data-label="Version">
                <EventLink stream={event.stream} version={event.version} />
              </td>
              <td class="type-cell">
                <TypeName type={event.type} />
              </td>
              <td class="wide wrap">
                <bdi>{event.following === true ? 'follows a parked event' : shown(event.reason ?? '')}</bdi>
              </td>
              <td class="number" data-label="Attempts">
                {grouped(event.attempts)}
              </td>
              <td class="time-cell">
                <Time at={event.parkTime} />
              </td>
              <td>
                {event.replaying === true ? (
                  <span class="faint">replaying</span>
                ) : (
                  <button
                    type="button"
                    class="small"
                    aria-label={`Retry ${event.stream ?? ''} version ${event.version ?? ''}`}
                    onClick={() => {
                      replay(event.stream, event.version);
                    }}
                  >
                    Retry
                  </button>
                )}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
