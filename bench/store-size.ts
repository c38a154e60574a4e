import { startClients } from './clients';
import { correlationId, streamName, type Operation } from './job';
import type { Row } from './measure';
import { prefill, type PlannedCommit } from './prefill';
import { calls, inWords, plural, runTable, type Run, type Table } from './run';
import { durability, startBenchGateway, startBenchNats } from './servers';
import type { Sizes } from './settings';

/** Each correlation id has this many events, in as many streams, all over the log. */
const eventsPerId = 10;

/** The same request to a large and a small store: its cost depends on the result, not on the store. */
export function storeSize(run: Run): Promise<Table | undefined> {
  const { settings, peaks, progress } = run;
  const { largeStoreCommits, smallStoreCommits } = settings.sizes;
  const title = 'large and small stores';
  const about =
    `Durability: ${durability.interval}. Stores of ${plural(largeStoreCommits, 'commit')} and of ` +
    `${inWords(smallStoreCommits)}; the ${eventsPerId} events of a correlation id are in as many commits, spread over ` +
    'the whole store. The commits were published without the gateway, and measured when the index had caught up.';
  return runTable(run, { title, about, rows: rows(settings.sizes) }, async (use) => {
    await using largeNats = await startBenchNats('interval');
    await using smallNats = await startBenchNats('interval');
    const name = (commits: number): string => `${title}, ${plural(commits, 'commit')}`;
    await using large = await startBenchGateway({ name: name(largeStoreCommits), nats: largeNats, peaks });
    await using small = await startBenchGateway({ name: name(smallStoreCommits), nats: smallNats, peaks });
    await prefill(largeNats.url, storedBefore(largeStoreCommits));
    await prefill(smallNats.url, storedBefore(smallStoreCommits));
    progress(`${title}: waiting for the index`);
    await using largeClients = await startClients(settings.clients, large.address, largeNats.url);
    await using smallClients = await startClients(settings.clients, small.address, smallNats.url);
    return await use({
      sides: [
        { label: 'large', clients: largeClients, peer: 'generated' },
        { label: 'small', clients: smallClients, peer: 'generated' },
      ],
      async settle() {
        await large.caughtUp();
        await small.caughtUp();
      },
    });
  });
}

function* storedBefore(commits: number): Generator<PlannedCommit> {
  const ids = commits / eventsPerId;
  for (let i = 0; i < commits; i++) {
    const round = Math.floor(i / ids);
    yield {
      stream: streamName('stored', 0, i % ids),
      events: 1,
      correlationId: correlationId((i + round) % ids),
    };
  }
}

function rows(sizes: Sizes): Row[] {
  const request = (commits: number): Operation => {
    return { kind: 'correlation', ids: commits / eventsPerId, events: eventsPerId };
  };
  return [
    {
      what: `ReadByCorrelation of ${plural(eventsPerId, 'event')}`,
      callers: 1,
      callsEach: calls(300, sizes),
      events: eventsPerId,
      operations: [request(sizes.largeStoreCommits), request(sizes.smallStoreCommits)],
    },
  ];
}
