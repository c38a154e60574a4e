import { mkdirSync, renameSync, rmSync, rmdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect } from 'nats';
import { startGuarded, type GuardedGateway } from '../support/access';
import { newEvents } from '../support/attempts';
import { readAudit } from '../support/audit-lines';
import { until } from '../support/nats-server';
import { makeReplicaDir } from '../support/replica-dir';
import type { RpcClient } from '../support/rpc-client';
import { RpcFailure } from '../support/rpc-failure';

/**
 * While 64 callers append, something goes wrong with NATS, the store, the auth file or the audit log. Nothing opens up, each call
 * gets a typed error in time, and the audit log has a line for each outcome.
 */

const grants = [{ actions: ['append', 'read'], streams: ['order.>'] }];
const principals = {
  ...Object.fromEntries(Array.from({ length: 8 }, (_, number) => [`writer-${number}`, { grants }])),
  other: { grants: [{ actions: ['append', 'read'], streams: ['other.>'] }] },
};
const callersEach = 8;
const callMs = 30_000;

interface Place {
  readonly guarded: GuardedGateway;
  /** The audit log, as the auth file names it. */
  readonly auditLink: string;
  readonly auditFile: string;
}

/** Breaks something, and returns what mends it. */
type Break = (place: Place) => Promise<() => void | Promise<void>>;

const pauseNats: Break = async ({ guarded: { nats } }) => {
  nats.pause();
  await sleep(4_000);
  return () => {
    nats.resume();
  };
};

const killNats: Break = async ({ guarded: { nats } }) => {
  await nats.kill();
  await sleep(1_000);
  return () => nats.start();
};

const fillStore: Break = async ({ guarded: { nats } }) => {
  const limit = async (maxBytes: (bytes: number) => number): Promise<void> => {
    const connection = await connect({ servers: nats.url });
    const { streams } = await connection.jetstreamManager();
    const { state } = await streams.info('EVENTS');
    await streams.update('EVENTS', { max_bytes: maxBytes(state.bytes) });
    await connection.close();
  };
  await limit((bytes) => bytes + 2_000);
  await sleep(2_000);
  return () => limit(() => -1);
};

const breakAuthFile: Break = async ({ guarded: { file, gateway } }) => {
  writeFileSync(file.path, '{"roles":');
  await gateway.reload();
  return () => {
    file.write(principals);
  };
};

const deleteAuthFile: Break = async ({ guarded: { file, gateway } }) => {
  rmSync(file.path);
  await gateway.reload();
  return () => {
    file.write(principals);
  };
};

const replaceAuthFile: Break = async ({ guarded: { file, gateway } }) => {
  rmSync(file.path);
  mkdirSync(file.path);
  await gateway.reload();
  return () => {
    rmdirSync(file.path);
    file.write(principals);
  };
};

const fillAuditDisk: Break = async ({ guarded: { gateway }, auditLink, auditFile }) => {
  linkTo('/dev/full', auditLink);
  await gateway.reload();
  return async () => {
    linkTo(auditFile, auditLink);
    await gateway.reload();
  };
};

function linkTo(target: string, link: string): void {
  symlinkSync(target, `${link}.next`);
  renameSync(`${link}.next`, link);
}

test.each<[string, Break, readonly string[]]>([
  ['NATS is paused', pauseNats, ['OK', 'OUTCOME_UNKNOWN', 'STORE_UNAVAILABLE', 'DEADLINE_EXCEEDED']],
  ['NATS is killed', killNats, ['OK', 'OUTCOME_UNKNOWN', 'STORE_UNAVAILABLE', 'DEADLINE_EXCEEDED']],
  ['the store is full', fillStore, ['OK', 'STORE_FULL']],
  ['the auth file is broken', breakAuthFile, ['OK']],
  ['the auth file is deleted', deleteAuthFile, ['OK']],
  ['the auth file is a folder', replaceAuthFile, ['OK']],
  ['the disk of the audit log is full', fillAuditDisk, ['OK', 'OVERLOADED']],
])(
  '%s',
  async (_, breakIt, expected) => {
    const folder = makeReplicaDir();
    const [auditLink, auditFile] = [join(folder, 'audit'), join(folder, 'audit.jsonl')];
    writeFileSync(auditFile, '');
    linkTo(auditFile, auditLink);
    const audit = { file: auditLink, when_full: 'refuse' };
    await using guarded = await startGuarded(principals, { appendTimeoutMs: 2_000 }, [], { audit });
    const callers = startCallers(guarded);
    await callers.moreStored(100);
    const mend = await breakIt({ guarded, auditLink, auditFile });
    await sleep(1_000);
    await mend();
    await callers.moreStored(100);
    const { outcomes, denials, positions } = await callers.stopped();

    expect(expected).toEqual(expect.arrayContaining(Object.keys(outcomes)));
    expect(Object.keys(outcomes).length > 1).toBe(expected.length > 1);
    // What was granted to nobody stayed so, and what was granted stayed, too.
    expect(Object.keys(denials)).toEqual(['ACCESS_DENIED', 'UNAUTHENTICATED']);
    const { events } = await guarded.as('writer-0').readAll({ patterns: ['order.>'] });
    const inLog = events.map(({ position }) => position.toString());
    expect(positions.filter((position) => !inLog.includes(position))).toEqual([]);
    expect(inLog.length).toBeLessThanOrEqual(positions.length + (outcomes['OUTCOME_UNKNOWN'] ?? 0));

    await guarded.gateway[Symbol.asyncDispose]();
    const audited = await readAudit(auditFile);
    expect(audited.faults).toEqual([]);
    expect(audited.outcomes).toEqual({ ...withLines(outcomes), ...denials });
    expect([...audited.commits.keys()].sort()).toEqual([...positions].sort());
  },
  120_000,
);

/** An append that the audit log has no room for is not taken on, and has no line. */
function withLines(outcomes: Readonly<Record<string, number>>): Record<string, number> {
  return Object.fromEntries(Object.entries(outcomes).filter(([outcome]) => outcome !== 'OVERLOADED'));
}

interface Called {
  /** How many appends ended in each way. */
  readonly outcomes: Readonly<Record<string, number>>;
  /** The same of the callers who may not. */
  readonly denials: Readonly<Record<string, number>>;
  /** Of the appends that were acknowledged. */
  readonly positions: readonly string[];
}

interface Callers {
  moreStored(appends: number): Promise<void>;
  stopped(): Promise<Called>;
}

/** Callers who may append, one without a credential, and one with a grant on other streams. */
function startCallers(guarded: GuardedGateway): Callers {
  const stop = new AbortController();
  const outcomes: Record<string, number> = {};
  const denials: Record<string, number> = {};
  const positions: string[] = [];
  const call = async (client: RpcClient, stream: string, counts: Record<string, number>): Promise<void> => {
    while (!stop.signal.aborted) {
      const outcome = await appendOnce(client, stream, positions);
      counts[outcome] = (counts[outcome] ?? 0) + 1;
      if (outcome !== 'OK') await sleep(20);
    }
  };
  const writers = Object.keys(principals).filter((name) => name !== 'other');
  const running = Promise.all([
    ...writers.flatMap((name, index) => {
      const client = guarded.as(name);
      const streams = Array.from(
        { length: callersEach },
        (_, number) => `order.${index * callersEach + number}`,
      );
      return streams.map((stream) => call(client, stream, outcomes));
    }),
    call(guarded.as('other'), 'order.1', denials),
    call(guarded.as(undefined), 'order.1', denials),
  ]);
  running.catch(() => undefined);
  return {
    async moreStored(appends) {
      const enough = positions.length + appends;
      await until(() => positions.length >= enough, 60_000);
    },
    async stopped() {
      stop.abort();
      await running;
      return { outcomes, denials: Object.fromEntries(Object.entries(denials).sort()), positions };
    },
  };
}

/** Resolves with OK or the reason of the error; fails without a reason, as when the deadline has passed and there is no response. */
async function appendOnce(client: RpcClient, stream: string, positions: string[]): Promise<string> {
  try {
    const { position } = await client.append(
      { stream, events: newEvents(1) },
      { deadline: Date.now() + callMs },
    );
    positions.push(position.toString());
    return 'OK';
  } catch (error) {
    if (error instanceof RpcFailure && error.reason !== undefined) return error.reason;
    throw error;
  }
}
