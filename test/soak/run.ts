import { parseArgs } from 'node:util';
import { singleServer, threeServers } from '../acceptance/environment';
import { BulkLoad } from '../support/bulk';
import { startGatewayProcess } from '../support/gateway';
import { startNats } from '../support/nats-server';
import { HistoryError, soak, soakServer } from '../support/soak';
import { prepareTools, removeTools } from '../support/tools';

const help = `Usage: npm run soak -- [--minutes N] [--seed S] [--servers 1|3]
       npm run soak -- --bulk N

  --minutes N   how long, in rounds of a minute; 1 unless given
  --seed S      of the schedule of the first round, the next one has the next seed; any unless given
  --servers N   1 or 3 NATS servers; 1 and 3 in turns unless given
  --bulk N      writes N commits by sessions as fast as they go, and then looks for all of their correlation ids and sends
                every 20th again
`;

const exitCode = { ok: 0, failed: 1, usage: 2 } as const;

class UsageError extends Error {}

/** Events are not found, or commits were stored twice. */
class BulkError extends Error {}

const repeatEvery = 20;

interface Settings {
  /** Commits of a bulk load; undefined: histories. */
  readonly bulk: number | undefined;
  readonly minutes: number;
  readonly seed: number;
  /** Of each round, in turns. */
  readonly servers: readonly number[];
}

/** undefined: help is asked for. Throws UsageError. */
function parseSettings(args: readonly string[]): Settings | undefined {
  const string = { type: 'string' } as const;
  const options = {
    minutes: string,
    seed: string,
    servers: string,
    bulk: string,
    help: { type: 'boolean' },
  } as const;
  let values;
  try {
    ({ values } = parseArgs({ args: [...args], options }));
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
  if (values.help === true) return undefined;
  const whole = (name: 'minutes' | 'seed' | 'bulk', text: string): number => {
    if (!/^\d{1,9}$/.test(text)) throw new UsageError(`--${name} must be a whole number`);
    return Number(text);
  };
  const { servers = '1,3' } = values;
  if (!['1', '3', '1,3'].includes(servers)) throw new UsageError('--servers must be 1 or 3');
  return {
    bulk: values.bulk === undefined ? undefined : whole('bulk', values.bulk),
    minutes: whole('minutes', values.minutes ?? '1'),
    seed: whole('seed', values.seed ?? (Date.now() % 1_000_000).toString()),
    servers: servers.split(',').map(Number),
  };
}

async function run(settings: Settings): Promise<void> {
  await prepareTools();
  try {
    if (settings.bulk !== undefined) await runBulk(settings.bulk);
    else await runHistories(settings);
  } finally {
    removeTools();
  }
}

/** Throws BulkError. */
async function runBulk(commits: number): Promise<void> {
  await using nats = await startNats();
  const load = new BulkLoad(commits);
  const say = (text: string): void => void process.stdout.write(`${text}\n`);
  {
    await using writer = await startGatewayProcess([nats.url]);
    say(`${commits} commits, ${await load.write(writer.address)}/s`);
  }
  await using reader = await startGatewayProcess([nats.url]);
  const incomplete = await load.incompleteIds(reader.address);
  say(`${load.ids} correlation ids, ${incomplete.length} of them without all their events`);
  const again = await load.storedAgain(reader.address, repeatEvery);
  say(`${Math.ceil(commits / repeatEvery)} commits sent again, ${again.length} of them stored again`);
  if (incomplete.length + again.length > 0)
    throw new BulkError(`for instance ${incomplete[0] ?? ''} ${again[0] ?? ''}`);
}

async function runHistories({ minutes, seed, servers }: Settings): Promise<void> {
  for (let minute = 0; minute < minutes; minute++) {
    const count = servers[minute % servers.length];
    process.stdout.write(
      `minute ${minute + 1} of ${minutes}: servers: ${count ?? 0}, seed ${seed + minute}\n`,
    );
    await using environment = await (count === 1 ? singleServer : threeServers)(soakServer);
    const { strikes, counts } = await soak(environment, 60, seed + minute);
    process.stdout.write(`  ${[...strikes, JSON.stringify(counts)].join('\n  ')}\n`);
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
    const text =
      error instanceof HistoryError || error instanceof BulkError
        ? error.message
        : String((error as Error).stack);
    process.stderr.write(`soak: ${text}\n`);
    return exitCode.failed;
  }
}

void main(process.argv.slice(2)).then((code) => process.exit(code));
