import type { VNode } from 'preact';
import { useState } from 'preact/hooks';
import { State, StreamLink, TypeName } from '../parts/names';
import { grouped } from '../parts/numbers';
import { Busy, Field, Form, Page } from '../parts/page';
import { Problem } from '../parts/problem';
import { addressOf, go } from '../parts/route';
import { SameAs } from '../parts/same-as';
import { shown } from '../parts/shown';
import { Time } from '../parts/time';
import { useCall } from '../parts/use-call';
import {
  categories,
  categoriesMax,
  isPrefix,
  lastType,
  listStreams,
  recentStreams,
  sortedStreamsMax,
  type ListedStream,
  type Listing,
} from '../reads/streams';

const pageStreams = 50;

interface Shown extends Listing {
  readonly streams: readonly ListedStream[];
  /** The address of what follows; undefined: nothing, or all is here. */
  readonly next: { readonly after?: string | undefined; readonly before?: string | undefined } | undefined;
  /** What the order is, in words. */
  readonly order: string;
}

/** Streams by a prefix of their names: the newest first, or by name. */
export function StreamsPage({ query }: { readonly query: URLSearchParams }): VNode {
  const prefix = query.get('prefix') ?? '';
  const order = query.get('order') === 'name' ? 'name' : 'newest';
  const after = query.get('after') ?? '';
  const before = query.get('before') ?? undefined;
  const key = JSON.stringify([prefix, order, after, before]);
  const read = useCall(
    isPrefix(prefix)
      ? (signal) =>
          order === 'name' ? byName(prefix, after, signal) : newest({ prefix, before, skip: after }, signal)
      : undefined,
    key,
  );
  const page = read.data;
  return (
    <Page title="Streams">
      <Search key={prefix} prefix={prefix} order={order} />
      <Categories prefix={prefix} order={order} />
      {!isPrefix(prefix) && <p class="nothing">No stream has a name that begins like this.</p>}
      <Problem error={read.error} again={read.again} />
      <Busy busy={isPrefix(prefix) && read.busy && page === undefined} />
      {page?.streams.length === 0 && <p class="nothing">There is no stream like this.</p>}
      {page !== undefined && page.streams.length > 0 && (
        <>
          <p class="hint">{page.order}</p>
          <StreamTable streams={page.streams} />
        </>
      )}
      {page?.next !== undefined && (
        <nav class="pages" aria-label="Pages">
          <a
            href={addressOf(['streams'], {
              prefix,
              order: order === 'name' ? order : undefined,
              ...page.next,
            })}
          >
            More
          </a>
        </nav>
      )}
      <SameAs
        commands={{
          method: 'EventStoreService/ListStreams',
          request: { pattern: prefix.endsWith('.') ? `${prefix}>` : undefined, includeDeleted: true },
          sluice: ['streams', ...(prefix.endsWith('.') ? [`${prefix}>`] : []), '--include-deleted'],
        }}
      />
    </Page>
  );
}

async function byName(prefix: string, after: string, signal: AbortSignal): Promise<Shown> {
  const list = await listStreams({ prefix, after, count: pageStreams }, signal);
  const last = list.streams.at(-1)?.stream;
  return { ...list, next: list.complete ? undefined : { after: last }, order: 'By name.' };
}

/** All streams sorted if they are few enough, else those of the newest events. */
async function newest(
  { prefix, before, skip }: { prefix: string; before: string | undefined; skip: string },
  signal: AbortSignal,
): Promise<Shown> {
  if (before === undefined) {
    const all = await listStreams({ prefix, after: '', count: sortedStreamsMax }, signal);
    if (all.complete) return sorted(all, Number(skip));
  }
  const list = await recentStreams({ prefix, before, count: pageStreams }, signal);
  const next = list.before === undefined ? undefined : { before: list.before };
  return {
    ...list,
    next,
    order: 'Those of the newest events, the newest first. A stream may come again on a later page.',
  };
}

function sorted({ streams }: Listing, skip: number): Shown {
  const all = streams.slice().sort((a, b) => Number(BigInt(b.position ?? 0) - BigInt(a.position ?? 0)));
  const from = Number.isSafeInteger(skip) ? skip : 0;
  const end = from + pageStreams;
  return {
    streams: all.slice(from, end),
    complete: end >= all.length,
    next: end < all.length ? { after: end.toString() } : undefined,
    order: `${grouped(all.length)} in all, the newest first.`,
  };
}

function Search({ prefix, order }: { readonly prefix: string; readonly order: 'name' | 'newest' }): VNode {
  const [text, setText] = useState(prefix);
  const addressIn = (kind: 'name' | 'newest'): string =>
    addressOf(['streams'], { prefix: text.trim(), order: kind === 'name' ? kind : undefined });
  return (
    <Form
      label="Streams"
      onSubmit={() => {
        go(addressIn(order));
      }}
    >
      <Field
        label="Name begins with"
        name="prefix"
        value={text}
        onInput={setText}
        placeholder="order."
        wide
      />
      <button type="submit">Search</button>
      <span class="choice" role="group" aria-label="Order">
        <a href={addressIn('newest')} aria-current={order === 'newest' ? 'true' : undefined}>
          Newest
        </a>
        <a href={addressIn('name')} aria-current={order === 'name' ? 'true' : undefined}>
          By name
        </a>
      </span>
    </Form>
  );
}

function Categories({
  prefix,
  order,
}: {
  readonly prefix: string;
  readonly order: 'name' | 'newest';
}): VNode | null {
  const read = useCall((signal) => categories(signal), 'categories');
  const list = read.data?.slice(0, categoriesMax) ?? [];
  if (list.length === 0) return null;
  const address = (value: string): string =>
    addressOf(['streams'], { prefix: value, order: order === 'name' ? order : undefined });
  return (
    <nav class="categories" aria-label="Categories">
      <a href={address('')} aria-current={prefix === '' ? 'true' : undefined}>
        all
      </a>
      {list.map((name) => (
        <a
          key={name}
          class="mono"
          href={address(`${name}.`)}
          aria-current={prefix === `${name}.` ? 'true' : undefined}
        >
          {shown(name)}
        </a>
      ))}
      {(read.data?.length ?? 0) > categoriesMax && <span class="hint">and more</span>}
    </nav>
  );
}

function StreamTable({ streams }: { readonly streams: readonly ListedStream[] }): VNode {
  const names = streams.filter(({ lastType: type }) => type === undefined).map(({ stream = '' }) => stream);
  const types = useCall<ReadonlyMap<string, string>>(
    (signal, show) => typesOf(names, signal, show),
    names.join(' '),
  );
  return (
    <div class="scroll">
      <table class="streams" aria-label="Streams">
        <thead>
          <tr>
            <th scope="col" class="wide">
              Stream
            </th>
            <th scope="col" class="number">
              Version
            </th>
            <th scope="col">Last event</th>
            <th scope="col">Last commit</th>
            <th scope="col">State</th>
          </tr>
        </thead>
        <tbody>
          {streams.map((stream) => (
            <tr key={stream.stream}>
              <td class="wide">
                <StreamLink name={stream.stream} />
              </td>
              <td class="number" data-label="Version">
                {grouped(stream.version)}
              </td>
              <td class="type-cell">
                <TypeName type={stream.lastType ?? types.data?.get(stream.stream ?? '')} />
              </td>
              <td class="time-cell">
                <Time at={stream.commitTime} />
              </td>
              <td>
                {stream.unreadable === true ? (
                  <span class="badge failed">unreadable</span>
                ) : (
                  <State state={stream.state} />
                )}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

/** A few at a time; each is shown as it comes. */
async function typesOf(
  names: readonly string[],
  signal: AbortSignal,
  show: (types: ReadonlyMap<string, string>) => void,
): Promise<ReadonlyMap<string, string>> {
  const types = new Map<string, string>();
  const left = names.slice();
  const work = async (): Promise<void> => {
    for (let name = left.shift(); name !== undefined; name = left.shift()) {
      const type = await lastType(name, signal).catch(() => undefined);
      if (type === undefined) continue;
      types.set(name, type);
      show(new Map(types));
    }
  };
  await Promise.all([work(), work(), work()]);
  return types;
}
