import type { VNode } from 'preact';
import { useState } from 'preact/hooks';
import { Page } from '../parts/page';
import { Problem } from '../parts/problem';
import { SameAs } from '../parts/same-as';
import { tryAppend, tryCommands, tryRequest, type Attempt, type Tried } from '../reads/try-append';
import { TryForm } from './try-form';
import { TryOutcome } from './try-outcome';

interface Result {
  readonly stream: string;
  readonly attempt?: Attempt;
  readonly error?: unknown;
}

/** Whether an append would be accepted: nothing is stored. */
export function TryPage({ query }: { readonly query: URLSearchParams }): VNode {
  const [tried, setTried] = useState<Tried>({
    stream: query.get('stream') ?? '',
    expects: 'version',
    version: query.get('expected') ?? '',
    tags: '',
    types: '',
    after: '',
  });
  const [result, setResult] = useState<Result | undefined>();
  const attempt = async (): Promise<void> => {
    const request = tryRequest(tried);
    const { stream } = request;
    try {
      setResult({ stream, attempt: await tryAppend(request, new AbortController().signal) });
    } catch (error) {
      setResult({ stream, error });
    }
  };
  return (
    <Page title="Try">
      <p class="prose">
        Whether the gateway would accept an append of one event, which expects a version of its stream or has
        a condition on the events of all streams. The gateway checks the request and stores nothing.
      </p>
      <TryForm tried={tried} onChange={setTried} onSubmit={() => void attempt()} />
      <Problem error={result?.error} />
      {result?.attempt !== undefined && <TryOutcome stream={result.stream} attempt={result.attempt} />}
      <SameAs commands={tryCommands(tried)} />
    </Page>
  );
}
