import type { VNode } from 'preact';
import { useState } from 'preact/hooks';
import { EventTable } from '../parts/event-table';
import { EventTree } from '../parts/event-tree';
import { counted } from '../parts/numbers';
import { Busy, Field, Form, Page } from '../parts/page';
import { Problem } from '../parts/problem';
import { addressOf, go } from '../parts/route';
import { SameAs } from '../parts/same-as';
import { useCall } from '../parts/use-call';
import { causationTree } from '../reads/causation-tree';
import type { Commands } from '../reads/commands';
import { search, searchCommands, searchKinds, type SearchKind } from '../reads/search';

const kindNames: Readonly<Record<SearchKind, string>> = {
  correlation: 'Correlation id',
  commit: 'Commit id',
  event: 'Event id',
  position: 'Position',
  tag: 'Tag',
};

/** Events by an id, a position or a tag. */
export function SearchPage({ query }: { readonly query: URLSearchParams }): VNode {
  const text = query.get('q') ?? '';
  const kind = searchKinds.find((known) => known === query.get('by')) ?? 'correlation';
  const read = useCall(text === '' ? undefined : (signal) => search(kind, text, signal), `${kind} ${text}`);
  const events = read.data?.events ?? [];
  return (
    <Page title="Search">
      <SearchForm key={`${kind} ${text}`} text={text} kind={kind} />
      <Problem error={read.error} again={read.again} />
      <Busy busy={text !== '' && read.busy} />
      {read.data !== undefined && (
        <p class="summary">
          <b>{counted(events.length, 'event')}</b>
          {read.data.cut !== 'no' && <span class="faint">and more</span>}
          {read.data.limited && <span class="faint">of streams that you may read</span>}
        </p>
      )}
      {read.data !== undefined && events.length === 0 && <p class="nothing">{read.data.nothing}</p>}
      {events.length > 0 && kind === 'correlation' && (
        <section aria-labelledby="tree">
          <h2 id="tree">What caused what</h2>
          <EventTree nodes={causationTree(events)} />
        </section>
      )}
      {events.length > 0 && <EventTable events={events} withStream label="Events found" />}
      <SameAs commands={commandsFor(kind, text)} />
    </Page>
  );
}

function commandsFor(kind: SearchKind, text: string): Commands {
  return searchCommands(kind, text === '' ? '…' : text);
}

function SearchForm({
  text: first,
  kind: firstKind,
}: {
  readonly text: string;
  readonly kind: SearchKind;
}): VNode {
  const [text, setText] = useState(first);
  const [kind, setKind] = useState(firstKind);
  return (
    <Form
      label="Search"
      onSubmit={() => {
        go(addressOf(['search'], { by: kind, q: text.trim() }));
      }}
    >
      <div class="field">
        <label for="by">By</label>
        <select
          id="by"
          value={kind}
          onChange={(event) => {
            const value = event.currentTarget.value;
            setKind(searchKinds.find((known) => known === value) ?? 'correlation');
          }}
        >
          {searchKinds.map((name) => (
            <option key={name} value={name}>
              {kindNames[name]}
            </option>
          ))}
        </select>
      </div>
      <Field label={kindNames[kind]} name="q" value={text} onInput={setText} required wide />
      <button type="submit">Search</button>
    </Form>
  );
}
