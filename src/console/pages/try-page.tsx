import type { VNode } from 'preact';
import { useState } from 'preact/hooks';
import { Page } from '../parts/page';
import { Problem } from '../parts/problem';
import { SameAs } from '../parts/same-as';
import { shown } from '../parts/shown';
import { EventLink, StreamLink } from '../parts/names';
import { grouped } from '../parts/numbers';
import { addressOf } from '../parts/route';
import { call } from '../wire/connect';
import { CallError } from '../wire/call-error';
import type { AppendRequest } from '../wire/messages';
import { TryCondition } from './try-condition';
import { requestOf, TryForm, type Tried } from './try-form';

interface Result {
  readonly request: AppendRequest;
  readonly version?: string | undefined;
  readonly error?: unknown;
}

/** Whether an append would be accepted: nothing is stored. */
export function TryPage({ query }: { readonly query: URLSearchParams }): VNode {
  const [tried, setTried] = useState<Tried>({
    stream: query.get('stream') ?? '',
    expects: 'version',
    version: query.get('expected') ?? '',
  });
  const [result, setResult] = useState<Result | undefined>();
  const request = requestOf(tried);
  const attempt = async (): Promise<void> => {
    try {
      const { version = '0' } = await call('EventStoreService/Append', request, new AbortController().signal);
      setResult({ request, version });
    } catch (error) {
      setResult({ request, error });
    }
  };
  return (
    <Page title="Try">
      <p class="prose">
        Whether the gateway would accept an append that expects a version. The request has no events: the
        gateway checks the expectation and stores nothing.
      </p>
      <TryForm tried={tried} onChange={setTried} onSubmit={() => void attempt()} />
      {result !== undefined && <Outcome result={result} />}
      <SameAs
        commands={{
          method: 'EventStoreService/Append',
          request,
          sluice: tried.stream === '' ? undefined : ['version', tried.stream],
        }}
      />
      <TryCondition />
    </Page>
  );
}

function Outcome({ result }: { readonly result: Result }): VNode {
  const { request, error, version } = result;
  if (error === undefined) {
    return (
      <div class="outcome good" role="status">
        <p class="problem-title">It would be accepted</p>
        <p>
          <StreamLink name={request.stream} /> is at version <b>{grouped(version)}</b>. Nothing was stored.
        </p>
      </div>
    );
  }
  const conflict = error instanceof CallError ? error.details.conflict : undefined;
  if (conflict === undefined) return <Problem error={error} />;
  return (
    <div class="outcome bad" role="alert">
      <p class="problem-title">It would be a conflict</p>
      <dl class="facts">
        <div class="fact">
          <dt>Stream</dt>
          <dd>
            <StreamLink name={conflict.stream} />
          </dd>
        </div>
        <div class="fact">
          <dt>Expected</dt>
          <dd>
            {conflict.expected === undefined ? 'that it exists' : `version ${grouped(conflict.expected)}`}
          </dd>
        </div>
        <div class="fact">
          <dt>Is at</dt>
          <dd>
            {conflict.actual === '0' ? (
              'version 0: it does not exist'
            ) : (
              <>
                version <EventLink stream={conflict.stream} version={conflict.actual} />
              </>
            )}
          </dd>
        </div>
      </dl>
      <Since stream={conflict.stream} expected={conflict.expected} actual={conflict.actual} />
      <p class="faint wrap">{error instanceof Error ? shown(error.message) : ''}</p>
    </div>
  );
}

/** What came in between. */
function Since({
  stream,
  expected,
  actual,
}: {
  readonly stream: string;
  readonly expected: string | undefined;
  readonly actual: string;
}): VNode | null {
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
