import { parseArgs } from 'node:util';
import { singleServer, threeServers } from '../acceptance/environment';
import { backedUpBulkSoak, bulkSoak, guardedBulkSoak } from '../support/bulk-soak';
import { conditionalBulkSoak } from '../support/conditional-bulk-soak';
import { controlledBulkSoak } from '../support/controlled-bulk-soak';
import { greedySoak } from '../support/greedy';
import { drillKinds, groupDrill, replayedMax } from '../support/group-drills';
import { groupSoak } from '../support/group-soak';
import { subscriberSoak } from '../support/slow-subscribers';
import { deadlineMs, startRollingCluster } from '../support/rolling';
import { HistoryError, soak, soakGateways, soakServer } from '../support/soak';
import { SoakAccess } from '../support/soak-access';
import { prepareTools, removeTools } from '../support/tools';

const help = `Usage: npm run soak -- [--minutes N] [--seed S] [--servers 1|3] [--operator] [--auth | --conditional]
       npm run soak -- --bulk N [--auth | --backup | --controls | --conditional]
       npm run soak -- --groups N [--seed S] [--servers 1|3] [--only DRILL]
       npm run soak -- --greedy SECONDS [--only WORDS]
       npm run soak -- --subscribers SECONDS
       npm run soak -- --rolling MINUTES

  --minutes N   how long, in rounds of a minute; 1 unless given
  --seed S      of the schedule of the first round, the next one has the next seed; any unless given
  --servers N   1 or 3 NATS servers; 1 and 3 in turns unless given
  --operator    an operator edits the log meanwhile: mirrored, full, with a short memory of ids, with smaller messages
  --auth        with access control, which changes meanwhile: auth files, tokens and keys; other callers try what they may not; the audit
                logs must have each append. Gateways are stopped instead of killed, since one that is killed may lose lines
  --conditional the appends have conditions over all streams, on hot and cold tags: each event that is stored must follow what its writer
                had seen of its tags. With --bulk, N commits have tags, and then appends have conditions over all of them
  --bulk N      writes N commits by sessions as fast as they go through one gateway, looks for all of their correlation ids
                through another one, sends all of them again there, and starts a third gateway, which fills its replica
  --backup      backs the store up while half of them have yet to be written, restores it elsewhere, verifies it, and sends all of them
                again there: those that the backup has must be found, and the others stored
  --controls    truncates, deletes or erases a tenth of their streams, waits until the log has got rid of that, and compares gateways that
                followed it with one that fills its replica then
  --groups N    has members of a consumer group, each a process, share the events of N appends to many streams through two gateways, while
                members, gateways and the leader of the log are killed, and members leave, retry and park
  --greedy N    has callers ask for more than each bound allows, N seconds for each, beside a modest one who must be served
  --subscribers N
                2,000 subscribers of whom half never take anything, and 2,000 events a second, for N seconds
  --rolling N   restarts three gateways and three NATS servers by SIGTERM, one by one, under writers and subscribers, for N minutes
  --only WORDS  of the kinds of greedy callers, those whose name has these words; of groups, a drill instead of kills: all, or one of calm,
                slow handlers, slow member, poison, churn, pause, clock, replay
`;

const exitCode = { ok: 0, failed: 1, usage: 2 } as const;

class UsageError extends Error {}

/** Events are not found, or commits were stored twice. */
class BulkError extends Error {}

/** A modest caller was not served, or greedy ones were, or they left something behind. */
class GreedyError extends Error {}

/** A rolling restart lost or doubled something, or a client failed. */
class RollingError extends Error {}

/** Streams of a bulk load. */
const bulkStreamsMax = 60_000;
const faultsShown = 20;

interface Settings {
  /** Commits of a bulk load; undefined: histories. */
  readonly bulk: number | undefined;
  /** Appends for a consumer group; undefined: no group. */
  readonly groups: number | undefined;
  /** Seconds for each bound; undefined: no greedy callers. */
  readonly greedy: number | undefined;
  /** Seconds with subscribers; undefined: no subscribers. */
  readonly subscribers: number | undefined;
  /** Minutes of rolling restarts; undefined: none. */
  readonly rolling: number | undefined;
  /** Words in the names of their kinds. */
  readonly only: string;
  readonly minutes: number;
  readonly isOperated: boolean;
  readonly isGuarded: boolean;
  readonly isConditional: boolean;
  readonly isBackedUp: boolean;
  readonly isControlled: boolean;
  readonly seed: number;
  /** Of each round, in this order. */
  readonly servers: readonly number[];
}

/** undefined: the help was requested. Throws UsageError. */
function parseSettings(args: readonly string[]): Settings | undefined {
  const string = { type: 'string' } as const;
  const options = {
    minutes: string,
    seed: string,
    servers: string,
    bulk: string,
    groups: string,
    greedy: string,
    subscribers: string,
    rolling: string,
    only: string,
    operator: { type: 'boolean' },
    auth: { type: 'boolean' },
    conditional: { type: 'boolean' },
    backup: { type: 'boolean' },
    controls: { type: 'boolean' },
    help: { type: 'boolean' },
  } as const;
  let values;
  try {
    ({ values } = parseArgs({ args: [...args], options }));
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
  if (values.help === true) return undefined;
  const whole = (
    name: 'minutes' | 'seed' | 'bulk' | 'groups' | 'greedy' | 'subscribers' | 'rolling',
    text: string,
  ): number => {
    if (!/^\d{1,9}$/.test(text)) throw new UsageError(`--${name} must be a whole number`);
    return Number(text);
  };
  const kinds = [values.auth, values.backup, values.controls, values.conditional].filter(
    (isGiven) => isGiven === true,
  ).length;
  if ((values.backup ?? values.controls) === true && (values.bulk === undefined || kinds > 1))
    throw new UsageError(
      '--backup and --controls are for --bulk, one of them, and without --auth or --conditional',
    );
  if (values.conditional === true && values.auth === true)
    throw new UsageError('--conditional is without --auth');
  const { servers = '1,3' } = values;
  if (!['1', '3', '1,3'].includes(servers)) throw new UsageError('--servers must be 1 or 3');
  return {
    bulk: values.bulk === undefined ? undefined : whole('bulk', values.bulk),
    groups: values.groups === undefined ? undefined : whole('groups', values.groups),
    greedy: values.greedy === undefined ? undefined : whole('greedy', values.greedy),
    subscribers: values.subscribers === undefined ? undefined : whole('subscribers', values.subscribers),
    rolling: values.rolling === undefined ? undefined : whole('rolling', values.rolling),
    only: values.only ?? '',
    isOperated: values.operator === true,
    isGuarded: values.auth === true,
    isConditional: values.conditional === true,
    isBackedUp: values.backup === true,
    isControlled: values.controls === true,
    minutes: whole('minutes', values.minutes ?? '1'),
    seed: whole('seed', values.seed ?? (Date.now() % 1_000_000).toString()),
    servers: servers.split(',').map(Number),
  };
}

async function run(settings: Settings): Promise<void> {
  await prepareTools();
  try {
    if (settings.bulk !== undefined) await runBulk(settings.bulk, settings);
    else if (settings.groups !== undefined) await runGroups(settings.groups, settings);
    else if (settings.greedy !== undefined) await runGreedy(settings.greedy, settings.only);
    else if (settings.subscribers !== undefined) await runSubscribers(settings.subscribers);
    else if (settings.rolling !== undefined) await runRolling(settings.rolling);
    else await runHistories(settings);
  } finally {
    removeTools();
  }
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

/** Throws GreedyError. */
async function runGreedy(seconds: number, only: string): Promise<void> {
  const faults = await greedySoak(seconds, only, say);
  if (faults.length > 0) throw new GreedyError(faults.join('\n'));
}

/** Throws GreedyError. */
async function runSubscribers(seconds: number): Promise<void> {
  const faults = await subscriberSoak(seconds, say);
  if (faults.length > 0) throw new GreedyError(faults.join('\n'));
}

/** Throws RollingError. */
async function runRolling(minutes: number): Promise<void> {
  await using cluster = await startRollingCluster();
  const endMs = Date.now() + minutes * 60_000;
  do {
    const { faults, ...figures } = await cluster.round();
    say(JSON.stringify(figures));
    if (figures.appendMsMax >= deadlineMs) faults.push(`an append took ${figures.appendMsMax} ms`);
    if (faults.length > 0) throw new RollingError(faults.join('\n'));
  } while (Date.now() < endMs);
}

/** Throws BulkError. */
async function runBulk(commits: number, settings: Settings): Promise<void> {
  const streams = Math.min(bulkStreamsMax, Math.ceil(commits / 4));
  const faults = await bulkOf(settings)(commits, streams, say);
  if (faults.length > 0) throw new BulkError(faults.slice(0, faultsShown).join('\n'));
}

function bulkOf({ isGuarded, isBackedUp, isControlled, isConditional }: Settings): typeof bulkSoak {
  if (isGuarded) return guardedBulkSoak;
  if (isConditional) return conditionalBulkSoak;
  if (isBackedUp) return backedUpBulkSoak;
  return isControlled ? controlledBulkSoak : bulkSoak;
}

/** Throws HistoryError. */
async function runGroups(appends: number, settings: Settings): Promise<void> {
  const { seed, servers, only } = settings;
  if (only !== '') {
    await runDrills(appends, settings);
    return;
  }
  for (const count of servers) {
    say(`a group, servers: ${count}, seed ${seed}`);
    await using environment = await (count === 1 ? singleServer : threeServers)();
    const { strikes, counts } = await groupSoak(environment, { appends, seed });
    say(`  ${[...strikes, JSON.stringify(counts)].join('\n  ')}`);
  }
}

/** Throws HistoryError. */
async function runDrills(events: number, { servers, only }: Settings): Promise<void> {
  const kinds = only === 'all' ? drillKinds : drillKinds.filter((kind) => kind === only);
  if (kinds.length === 0) throw new UsageError(`--only must be all or one of: ${drillKinds.join(', ')}`);
  if (kinds.includes('replay') && events > replayedMax)
    throw new UsageError(`a group parks at most ${replayedMax} events, so that --only ${only} takes no more`);
  for (const count of servers)
    for (const kind of kinds) {
      await using environment = await (count === 1 ? singleServer : threeServers)();
      const { faults, counts } = await groupDrill(environment, { events, kind });
      say(`a group, servers: ${count}, ${kind}: ${JSON.stringify(counts)}`);
      if (faults.length > 0) throw new HistoryError([kind, ...faults].join('\n'));
    }
}

async function runHistories(settings: Settings): Promise<void> {
  const { minutes, seed, servers, isOperated, isGuarded, isConditional } = settings;
  for (let minute = 0; minute < minutes; minute++) {
    const count = servers[minute % servers.length];
    say(`minute ${minute + 1} of ${minutes}: servers: ${count ?? 0}, seed ${seed + minute}`);
    await using environment = await (count === 1 ? singleServer : threeServers)(soakServer);
    await using access = isGuarded ? await SoakAccess.start(soakGateways) : undefined;
    const options = { seconds: 60, seed: seed + minute, isOperated, isConditional, access };
    const { strikes, counts } = await soak(environment, options);
    say(`  ${[...strikes, JSON.stringify(counts)].join('\n  ')}`);
  }
}

async function main(args: readonly string[]): Promise<number> {
  try {
    const settings = parseSettings(args);
    if (settings === undefined) process.stdout.write(help);
    else await run(settings);
    return exitCode.ok;
  } catch (error) {
    if (error instanceof UsageError) {
      process.stderr.write(`soak: ${error.message}\n\n${help}`);
      return exitCode.usage;
    }
    const faults = [HistoryError, BulkError, GreedyError, RollingError];
    const text = faults.some((kind) => error instanceof kind)
      ? (error as Error).message
      : String((error as Error).stack);
    process.stderr.write(`soak: ${text}\n`);
    return exitCode.failed;
  }
}

void main(process.argv.slice(2)).then((code) => process.exit(code));
