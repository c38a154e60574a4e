import type { VNode } from 'preact';
import { useState } from 'preact/hooks';
import { Fact } from '../parts/event-details';
import { State, StreamLink } from '../parts/names';
import { grouped } from '../parts/numbers';
import { Busy, Field, Form, Page } from '../parts/page';
import { Problem } from '../parts/problem';
import { addressOf, go } from '../parts/route';
import { SameAs } from '../parts/same-as';
import { shown } from '../parts/shown';
import { Time } from '../parts/time';
import { useCall } from '../parts/use-call';
import { readManageable } from '../reads/actions';
import type { StreamDescription } from '../wire/messages';
import { ActionForms } from './action-forms';

/** Changes of a stream that cannot, or cannot easily, be undone. */
export function ActionsPage({ query }: { readonly query: URLSearchParams }): VNode {
  const name = query.get('stream') ?? '';
  const [text, setText] = useState(name);
  const read = useCall(name === '' ? undefined : (signal) => readManageable(name, signal), name);
  const { stream, mayManage } = read.data ?? {};
  return (
    <Page title="Actions">
      <p class="prose">
        Hide the beginning of a stream, delete it, end it for ever, or erase contents. Each needs a grant of{' '}
        <code>manage</code> on the stream and a typed confirmation, and is in the audit log of the gateway.
      </p>
      <Form
        label="Stream"
        onSubmit={() => {
          go(addressOf(['actions'], { stream: text.trim() }));
        }}
      >
        <Field
          label="Stream"
          name="stream"
          value={text}
          onInput={setText}
          required
          placeholder="order.42"
          wide
        />
        <button type="submit">Choose</button>
      </Form>
      <Problem error={read.error} />
      <Busy busy={name !== '' && read.busy && read.data === undefined} />
      {stream !== undefined && <Description stream={stream} />}
      {mayManage === false && (
        <p class="banner">
          You have no grant of <code>manage</code> on this stream.{' '}
          <a href={addressOf(['token'])}>Use another token</a>
        </p>
      )}
      {stream !== undefined && mayManage === true && (
        <ActionForms key={name} stream={stream} again={read.again} />
      )}
      <SameAs
        commands={{
          method: 'StreamService/GetStream',
          request: { stream: name === '' ? '…' : name },
          sluice: ['stream', 'show', name === '' ? '…' : name],
        }}
      />
    </Page>
  );
}

function Description({ stream }: { readonly stream: StreamDescription }): VNode {
  const { state, version, firstVersion, commitTime, retention, erased = [] } = stream;
  const bounds = [
    ...(retention?.maxCount === undefined ? [] : [`the newest ${grouped(retention.maxCount)} events`]),
    ...(retention?.maxAge === undefined ? [] : [`events of the last ${retention.maxAge}`]),
  ];
  return (
    <section aria-labelledby="description">
      <h2 id="description">The stream now</h2>
      <dl class="facts">
        <Fact name="Stream">
          <StreamLink name={stream.stream} /> <State state={state} />
        </Fact>
        <Fact name="Can be read">
          {BigInt(firstVersion ?? 0) > BigInt(version ?? 0)
            ? `nothing; it is at version ${grouped(version)}`
            : `versions ${grouped(firstVersion)} to ${grouped(version)}`}
        </Fact>
        <Fact name="Last commit">
          <Time at={commitTime} />
        </Fact>
        <Fact name="Keeps">{bounds.length === 0 ? 'everything' : bounds.join(' and ')}</Fact>
        {erased.length > 0 && (
          <Fact name="Erased">
            <ul class="pairs">
              {erased.map((range) => (
                <li key={range.position}>
                  versions {grouped(range.fromVersion)} to {grouped(range.toVersion)},{' '}
                  <Time at={range.commitTime} />,{' '}
                  <bdi class="mono">{shown(range.principal ?? 'nobody is recorded')}</bdi>:{' '}
                  <bdi>{shown(range.reason ?? '')}</bdi>
                </li>
              ))}
            </ul>
          </Fact>
        )}
      </dl>
    </section>
  );
}
