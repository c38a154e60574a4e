import type { VNode } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { ActionsPage } from './pages/actions-page';
import { EventPage } from './pages/event-page';
import { GroupPage } from './pages/group-page';
import { GroupsPage } from './pages/groups-page';
import { SearchPage } from './pages/search-page';
import { StorePage } from './pages/store-page';
import { StreamPage } from './pages/stream-page';
import { StreamsPage } from './pages/streams-page';
import { TailPage } from './pages/tail-page';
import { TokenPage } from './pages/token-page';
import { TryPage } from './pages/try-page';
import { Page } from './parts/page';
import { addressOf, useRoute, type Route } from './parts/route';
import { set, useSetting } from './parts/settings';
import { token, watchToken } from './wire/token';

const links = [
  { name: 'Store', path: [], of: [undefined] },
  { name: 'Streams', path: ['streams'], of: ['streams', 'stream', 'event'] },
  { name: 'Search', path: ['search'], of: ['search'] },
  { name: 'Groups', path: ['groups'], of: ['groups'] },
  { name: 'Tail', path: ['tail'], of: ['tail'] },
  { name: 'Try', path: ['try'], of: ['try'] },
  { name: 'Actions', path: ['actions'], of: ['actions'] },
] as const satisfies readonly {
  name: string;
  path: readonly string[];
  of: readonly (string | undefined)[];
}[];

/** What is around each page. */
export function Shell(): VNode {
  const route = useRoute();
  const main = useRef<HTMLElement>(null);
  const page = route.path.join('/');
  const isFirst = useRef(true);
  useEffect(() => {
    // A reader who followed a link is at the heading of the page, by keyboard and by screen reader.
    if (!isFirst.current) main.current?.querySelector('h1')?.focus();
    isFirst.current = false;
    scrollTo(0, 0);
  }, [page]);
  return (
    <>
      <a
        class="skip"
        href="#main"
        onClick={(event) => {
          event.preventDefault();
          main.current?.querySelector('h1')?.focus();
        }}
      >
        Skip to the page
      </a>
      <header class="top">
        <a class="brand" href={addressOf([])} aria-label="Sluice, the store">
          <Mark />
          <span>Sluice</span>
        </a>
        <nav class="links" aria-label="Pages of the console">
          {links.map(({ name, path, of }) => (
            <a key={name} href={addressOf(path)} aria-current={isOf(of, route) ? 'page' : undefined}>
              {name}
            </a>
          ))}
        </nav>
        <div class="tools">
          <Zone />
          <Caller />
        </div>
      </header>
      <main id="main" ref={main}>
        <PageOf route={route} />
      </main>
    </>
  );
}

function isOf(of: readonly (string | undefined)[], { path: [first] }: Route): boolean {
  return of.includes(first);
}

function PageOf({ route: { path, query } }: { readonly route: Route }): VNode {
  const [kind, first = '', second = ''] = path;
  if (kind === undefined) return <StorePage />;
  if (kind === 'streams') return <StreamsPage query={query} />;
  if (kind === 'stream' && first !== '') return <StreamPage key={first} name={first} query={query} />;
  if (kind === 'event' && /^\d+$/.test(second))
    return <EventPage key={`${first} ${second}`} stream={first} version={second} />;
  if (kind === 'search') return <SearchPage query={query} />;
  if (kind === 'groups' && first !== '') return <GroupPage key={first} name={first} />;
  if (kind === 'groups') return <GroupsPage />;
  if (kind === 'tail') return <TailPage query={query} />;
  if (kind === 'try') return <TryPage query={query} />;
  if (kind === 'actions') return <ActionsPage query={query} />;
  if (kind === 'token') return <TokenPage />;
  return (
    <Page title="Not a page">
      <p class="nothing">
        The console has no page of this address. <a href={addressOf([])}>To the store</a>
      </p>
    </Page>
  );
}

function Zone(): VNode {
  const zone = useSetting('zone');
  return (
    <button
      type="button"
      class="quiet"
      aria-label={`Times are in ${zone === 'utc' ? 'UTC' : 'local time'}: change`}
      onClick={() => {
        set({ zone: zone === 'utc' ? 'local' : 'utc' });
      }}
    >
      {zone === 'utc' ? 'UTC' : 'local'}
    </button>
  );
}

function Caller(): VNode {
  const [has, setHas] = useState(token() !== undefined);
  useEffect(
    () =>
      watchToken(() => {
        setHas(token() !== undefined);
      }),
    [],
  );
  return (
    <a class="caller" href={addressOf(['token'])}>
      {has ? 'token in use' : 'no token'}
    </a>
  );
}

/** A gate in a stream of water. */
function Mark(): VNode {
  return (
    <svg viewBox="0 0 24 24" width="22" height="22" aria-hidden="true" class="mark">
      <path d="M5 3v18M19 3v18" />
      <path d="M9 3v9h6V3" class="gate" />
      <path d="M5 17c2-1.6 3.5-1.6 5.5 0s5 1.6 8.5 0" class="water" />
    </svg>
  );
}
