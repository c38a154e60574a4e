import type { Manifest } from '../../src/backup/manifest';
import { manifestOf, newFolder, succeed } from '../backup/commands';
import { readAudit } from './audit-lines';
import { BulkLoad } from './bulk';
import { startGatewayProcess } from './gateway';
import { replicated } from './info-now';
import { deniedType, denialFaults, startIntruders, type Tried } from './intruders';
import { startNats, until } from './nats-server';
import { connectRpc } from './rpc-client';
import { SoakAccess } from './soak-access';

type Say = (text: string) => void;

const fillTimeoutMs = 600_000;

/**
 * Writes commits by sessions through one gateway, looks for all of their correlation ids through another one, sends all of them again
 * there, and starts a third one, which fills its replica. Returns what is wrong.
 */
export async function bulkSoak(commits: number, streams: number, say: Say): Promise<string[]> {
  await using nats = await startNats();
  const load = new BulkLoad(commits, streams);
  await using writer = await startGatewayProcess([nats.url]);
  await using reader = await startGatewayProcess([nats.url]);
  const faults = await loadFaults(load, writer.address, reader.address, say);
  const startedMs = performance.now();
  await using late = await startGatewayProcess([nats.url]);
  await replicated(late.client, fillTimeoutMs);
  say(`a new gateway has them after ${Math.round(performance.now() - startedMs)} ms`);
  return faults;
}

/**
 * Writes commits by sessions, backs the store up meanwhile, restores the backup to another server, verifies it, and sends all commits
 * again there. Returns what is wrong.
 */
export async function backedUpBulkSoak(commits: number, streams: number, say: Say): Promise<string[]> {
  const load = new BulkLoad(commits, streams);
  const folder = newFolder();
  {
    await using nats = await startNats();
    await using writer = await startGatewayProcess([nats.url]);
    const backUp = async (): Promise<void> => {
      const isHalf = async (): Promise<boolean> =>
        ((await writer.client.serverInfo()).store?.position ?? 0n) >= BigInt(commits >> 1);
      await until(isHalf, fillTimeoutMs);
      say(await timed('backup', folder, `--nats-url=${nats.url}`));
    };
    const [rate] = await Promise.all([load.write(writer.address), backUp()]);
    say(`${commits} commits, ${rate}/s`);
  }
  await using nats = await startNats();
  const url = `--nats-url=${nats.url}`;
  say(await timed('restore', folder, url));
  say(await timed('verify', url));
  await using reader = await startGatewayProcess([nats.url], ['--create-store=false']);
  await replicated(reader.client, fillTimeoutMs);
  const again = new Set(await load.storedAgain(reader.address));
  const incomplete = await load.incompleteIds(reader.address);
  const { position, counts } = manifestOf(folder);
  const kept = load.positions.map((at) => at <= BigInt(position));
  say(`${commits} commits sent again, ${again.size} of them stored`);
  const wrong = load.commitIds.filter((id, number) => again.has(id) === kept[number]);
  const found = await succeed('verify', url);
  const whole = `${commits} events in ${commits} commits of ${streams} streams; no faults`;
  return [
    ...wrong.map((id) => `the commit ${id} is ${again.has(id) ? 'not ' : ''}in the backup`),
    ...incomplete.map((id) => `not all events of ${id} are found`),
    ...countFaults(counts, kept, streams),
    ...(found.includes(whole) ? [] : [found]),
  ];
}

/** What a command of an operator prints, and how long it took. */
async function timed(...args: readonly string[]): Promise<string> {
  const startedMs = performance.now();
  const text = (await succeed(...args)).trimEnd();
  return `${text} (${Math.round(performance.now() - startedMs)} ms)`;
}

/** The manifest must count what is in the backup. `kept`: whether it has a commit, by number. */
function countFaults(counts: Manifest['counts'], kept: readonly boolean[], streams: number): string[] {
  const numbers = [...kept.keys()].filter((number) => kept[number]);
  const wanted = [numbers.length, numbers.length, new Set(numbers.map((number) => number % streams)).size];
  const found = [counts.events, counts.commits, counts.streams];
  return found.join() === wanted.join()
    ? []
    : [`the manifest counts ${found.join()} instead of ${wanted.join()}`];
}

/** The same without the third gateway, but with access control, which changes meanwhile, and callers who try what they may not. */
export async function guardedBulkSoak(commits: number, streams: number, say: Say): Promise<string[]> {
  await using access = await SoakAccess.start(2);
  await using nats = await startNats();
  const load = new BulkLoad(commits, streams, { writers: [access.alpha, access.beta], reader: access.ops });
  await using writer = await startGatewayProcess([nats.url], access.flags(0));
  await using reader = await startGatewayProcess([nats.url], access.flags(1));
  const gateways = [writer, reader];
  access.keepChanging(
    gateways.map(({ process }) => ({
      reload: () => {
        process.signal('SIGHUP');
      },
    })),
  );
  const addresses = gateways.map(({ address }) => address);
  const intruders = startIntruders(access, addresses, { target: 'bulk.0', correlationId: 'bulk-0' });
  const faults = await loadFaults(load, writer.address, reader.address, say);
  const tried = await intruders.stopped([1, 1]);
  say(`${access.turns} generations of the auth files, ${load.sessionsLost} sessions ended with their token`);
  say(`others: ${JSON.stringify(tried.counts)}`);
  using ops = connectRpc(reader.address, access.ops);
  const { events } = await ops.readAll({ eventTypes: [deniedType] });
  for (const gateway of gateways) await gateway[Symbol.asyncDispose]();
  return [
    ...faults,
    ...tried.faults,
    ...events.map(({ stream }) => `${stream} has an event of an append that was denied`),
    ...(await auditFaults(access, load, tried, say)),
  ];
}

async function loadFaults(load: BulkLoad, writer: string, reader: string, say: Say): Promise<string[]> {
  const { commits } = load;
  say(`${commits} commits, ${await load.write(writer)}/s`);
  const incomplete = await load.incompleteIds(reader);
  say(`${load.ids} correlation ids, ${incomplete.length} of them without all their events`);
  const again = await load.storedAgain(reader);
  say(`${commits} commits sent again, ${again.length} of them stored again`);
  return [
    ...incomplete.map((id) => `not all events of ${id} are found`),
    ...again.map((id) => `the commit ${id} was stored again`),
  ];
}

/** Each gateway has appended each commit once: the first one has stored it, the second one has found it. */
async function auditFaults(
  access: SoakAccess,
  { commitIds, positions }: BulkLoad,
  { denials, stored }: Tried,
  say: Say,
): Promise<string[]> {
  const faults: string[] = [];
  const writers = ['token:alpha', 'corp:beta'];
  for (const [gateway, own] of stored.entries()) {
    const audit = await readAudit(access.auditFile(gateway));
    say(`audit log ${gateway + 1}: ${JSON.stringify(audit.outcomes)}`);
    faults.push(...audit.faults);
    for (const [number, position] of positions.entries()) {
      const line = audit.commits.get(position.toString());
      const isRight =
        line?.commitId === commitIds[number] && line?.principal === writers[number % writers.length];
      if (line?.lines !== 1 || !isRight)
        faults.push(`the audit log has this of commit ${number}: ${JSON.stringify(line)}`);
    }
    const missing = own.filter((position) => audit.commits.get(position)?.lines !== 1);
    faults.push(...missing.map((position) => `the audit log does not have position ${position} once`));
    const more = audit.commits.size - positions.length - own.length;
    if (more !== 0) faults.push(`the audit log has ${more} commits that nobody got`);
    faults.push(...denialFaults(denials[gateway] ?? 0, audit.denials));
  }
  return faults;
}
