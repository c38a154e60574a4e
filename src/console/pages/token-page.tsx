import type { VNode } from 'preact';
import { useState } from 'preact/hooks';
import { Field, Form, Page } from '../parts/page';
import { Problem } from '../parts/problem';
import { addressOf } from '../parts/route';
import { SameAs } from '../parts/same-as';
import { shown } from '../parts/shown';
import { useCall } from '../parts/use-call';
import { call } from '../wire/connect';
import { setToken, token } from '../wire/token';

/** Who the caller is. */
export function TokenPage(): VNode {
  const [text, setText] = useState('');
  const read = useCall((signal) => call('EventStoreService/GetServerInfo', {}, signal), 'who');
  const has = token() !== undefined;
  const { access } = read.data ?? {};
  return (
    <Page title="Token">
      <p class="prose">
        An API token or a JWT, as <code>sluice token create</code> prints it. It stays in the memory of this
        page: a reload forgets it, and it is never stored.
      </p>
      <Form
        label="Token"
        onSubmit={() => {
          setToken(text);
          setText('');
        }}
      >
        <Field label="Token" name="token" type="password" value={text} onInput={setText} wide />
        <button type="submit">Use it</button>
        {has && (
          <button
            type="button"
            class="quiet"
            onClick={() => {
              setToken('');
            }}
          >
            Forget it
          </button>
        )}
      </Form>
      <Problem error={read.error} />
      {access !== undefined && (
        <p class="done" role="status">
          You are <bdi class="mono">{shown(access.principal ?? 'anonymous')}</bdi>.{' '}
          {access.controlled !== true && 'The gateway has no auth file: everybody may do everything. '}
          <a href={addressOf([])}>To the store</a>
        </p>
      )}
      <SameAs commands={{ method: 'EventStoreService/GetServerInfo', request: {}, sluice: ['doctor'] }} />
    </Page>
  );
}
