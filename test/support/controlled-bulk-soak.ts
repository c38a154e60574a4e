import { connect as connectNats } from 'nats';
import { connect, type SluiceClient } from '../../src/client/client';
import { succeed } from '../backup/commands';
import { BulkLoad } from './bulk';
import { startGatewayProcess, startSweepingProcess } from './gateway';
import { infoNow, replicated } from './info-now';
import { startNats, until } from './nats-server';

type Say = (text: string) => void;

const fillTimeoutMs = 600_000;
const sweepTimeoutMs = 1_800_000;
const atOnce = 16;
/** One stream in this many is truncated, another one is deleted, and events of a third one are erased. */
const oneIn = 30;

type Kind = 'truncate' | 'delete' | 'erase';

/** A stream of the load that is changed. Its events are one commit each. */
interface Changed {
  readonly stream: string;
  readonly kind: Kind;
  readonly version: number;
  /** Up to here its events are hidden or erased. */
  readonly upTo: number;
}

/**
 * Writes commits by sessions, changes a tenth of their streams, waits until the log has got rid of what was hidden or erased, and compares
 * what gateways have that followed it and one that fills its replica then. Returns what is wrong.
 */
export async function controlledBulkSoak(commits: number, streams: number, say: Say): Promise<string[]> {
  await using nats = await startNats();
  const load = new BulkLoad(commits, streams);
  await using writer = await startSweepingProcess([nats.url], 1_000);
  await using follower = await startGatewayProcess([nats.url]);
  say(`${commits} commits, ${await load.write(writer.address)}/s`);
  const changed = changesOf(commits, streams);
  say(`${changed.length} of ${streams} streams changed, ${await change(writer.address, changed)}/s`);
  const removed = changed.reduce((sum, { upTo }) => sum + upTo, 0);
  const before = await stateOf(nats.url);
  const sweptMs = performance.now();
  const left = commits + changed.length - removed;
  await until(async () => (await stateOf(nats.url)).ofStreams === left, sweepTimeoutMs);
  const seconds = (performance.now() - sweptMs) / 1_000;
  const after = await stateOf(nats.url);
  say(`${removed} messages removed, the last of them ${Math.round(seconds)} s after the last change`);
  say(
    `log: ${before.bytes} bytes before that, ${after.bytes} after it, ${after.records} records of removals`,
  );
  const filledMs = performance.now();
  await using late = await startGatewayProcess([nats.url]);
  await replicated(late.client, fillTimeoutMs);
  say(`a new gateway has the rest after ${Math.round(performance.now() - filledMs)} ms`);
  const again = await load.storedAgain(follower.address, 10);
  const faults = again.map((id) => `the commit ${id} was stored again`);
  const hidden = changed.reduce((sum, { kind, upTo }) => sum + (kind === 'erase' ? 0 : upTo), 0);
  for (const { address } of [writer, follower, late]) {
    using client = connect(address);
    faults.push(...(await readFaults(client, changed)), ...(await countFaults(client, commits - hidden)));
  }
  for (const { client } of [writer, follower, late]) {
    const { store } = await infoNow(client);
    const lost = store?.log?.lostMessages;
    if (lost !== 0n) faults.push(`${String(lost)} messages count as lost`);
  }
  const verified = await succeed('verify', `--nats-url=${nats.url}`);
  say(verified.trimEnd());
  if (!verified.includes('no faults')) faults.push(verified);
  return faults;
}

function changesOf(commits: number, streams: number): Changed[] {
  const kinds: readonly Kind[] = ['truncate', 'delete', 'erase'];
  const changed: Changed[] = [];
  for (let number = 0; number < streams; number++) {
    const kind = kinds[number % oneIn];
    const version = Math.floor((commits - number - 1) / streams) + 1;
    if (kind === undefined || version < 2) continue;
    const upTo = kind === 'delete' ? version : version >> 1;
    changed.push({ stream: `bulk.${number}`, kind, version, upTo });
  }
  return changed;
}

/** Returns the changes a second. */
async function change(address: string, changed: readonly Changed[]): Promise<number> {
  using client = connect(address);
  const startedMs = performance.now();
  await eachAtOnce(changed, async ({ stream, kind, upTo }) => {
    const { streams } = client;
    if (kind === 'delete') await streams.delete(stream);
    else if (kind === 'truncate') await streams.truncate(stream, upTo + 1);
    else await streams.erase(stream, { fromVersion: 1, toVersion: upTo, reason: 'soak' });
  });
  return Math.round((changed.length * 1_000) / (performance.now() - startedMs));
}

/** What is wrong with the streams that were changed. */
async function readFaults(client: SluiceClient, changed: readonly Changed[]): Promise<string[]> {
  const faults: string[] = [];
  await eachAtOnce(changed, async ({ stream, kind, version, upTo }) => {
    const found: string[] = [];
    for await (const event of client.readStream(stream))
      found.push(`${event.version}${event.erased ? ' erased' : ''}`);
    const all = Array.from({ length: version }, (_, index) => index + 1);
    const wanted =
      kind === 'erase'
        ? all.map((at) => (at <= upTo ? `${at} erased` : `${at}`))
        : all.filter((at) => at > upTo).map(String);
    if (found.join() !== wanted.join()) faults.push(`${kind} of ${stream}: it reads as ${found.join()}`);
  });
  return faults;
}

async function countFaults(client: SluiceClient, wanted: number): Promise<string[]> {
  let found = 0;
  for await (const { version } of client.readAll()) found += version > 0n ? 1 : 0;
  return found === wanted ? [] : [`a read of the store has ${found} events instead of ${wanted}`];
}

async function eachAtOnce<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  let next = 0;
  const workOn = async (): Promise<void> => {
    for (let item = items[next++]; item !== undefined; item = items[next++]) await work(item);
  };
  await Promise.all(Array.from({ length: atOnce }, workOn));
}

/** Messages of streams and of records in the log, and its size. */
async function stateOf(
  url: string,
): Promise<{ readonly ofStreams: number; readonly records: number; readonly bytes: number }> {
  const connection = await connectNats({ servers: url });
  const { streams } = await connection.jetstreamManager();
  const { state } = await streams.info('EVENTS', { subjects_filter: 'es.$removed.>' });
  const one = await streams.info('EVENTS', { subjects_filter: 'es.$removed' });
  await connection.close();
  const records = [state.subjects, one.state.subjects]
    .flatMap((subjects) => Object.values(subjects ?? {}))
    .reduce((sum, count) => sum + count, 0);
  return { ofStreams: state.messages - records, records, bytes: state.bytes };
}
