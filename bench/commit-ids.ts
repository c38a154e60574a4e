import { startClients } from './clients';
import { streamName, type Operation } from './job';
import type { Row } from './measure';
import { prefill, type PlannedCommit } from './prefill';
import { calls, plural, runTable, type Run, type Table } from './run';
import { durability, startBenchGateway, startBenchNats } from './servers';
import type { Sizes } from './settings';

/** The cost of looking up a commit id before an append. */
export function commitIds(run: Run): Promise<Table | undefined> {
  const { settings, peaks, progress } = run;
  const { largeStoreCommits } = settings.sizes;
  const title = 'commit ids that are looked up';
  const about =
    `Durability: ${durability.interval}. A store of ${plural(largeStoreCommits, 'commit')} and an index of all of them. v4: ` +
    'each append has a UUID v4 as its commit id, which does not show that it is new, so the gateway looks it up in the ' +
    'index first. none: the gateway generates the commit id.';
  return runTable(run, { title, about, rows: rows(settings.sizes) }, async (use) => {
    await using nats = await startBenchNats('interval');
    await using gateway = await startBenchGateway({ name: title, nats, peaks });
    await prefill(nats.url, storedBefore(largeStoreCommits));
    progress(`${title}: waiting for the index`);
    await using clients = await startClients(settings.clients, gateway.address, nats.url);
    return await use({
      sides: [
        { label: 'v4', clients, peer: 'generatedV4' },
        { label: 'none', clients, peer: 'generated' },
      ],
      settle: gateway.caughtUp,
    });
  });
}

const storedStreams = 1_000;

function* storedBefore(commits: number): Generator<PlannedCommit> {
  for (let i = 0; i < commits; i++) yield { stream: streamName('stored', 0, i % storedStreams), events: 1 };
}

function rows(sizes: Sizes): Row[] {
  const append = (streams: string): Operation => {
    return { kind: 'append', streams, events: 1, callsPerStream: Number.MAX_SAFE_INTEGER, version: 0 };
  };
  const row = (callers: number, callsEach: number): Row => ({
    what: 'append of 1 event',
    callers,
    callsEach,
    events: 1,
    operations: [append(`v4-${callers}`), append(`none-${callers}`)],
  });
  return [row(1, calls(1_500, sizes)), row(sizes.manyCallers, calls(150, sizes))];
}
