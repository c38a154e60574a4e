import pino from 'pino';
import { CommitRecord } from '../../generated/sluice/v1/event';
import { randomUUID } from 'node:crypto';
import { setMaxListeners } from 'node:events';
import { openGroups, type OpenGroups } from '../../src/groups/open-groups';
import type { GroupTimings } from '../../src/groups/context';
import { defaultLimits, type Limits } from '../../src/limits';
import type { CallContext, EventStore } from '../../src/store/event-store';
import type { NewEvent } from '../../src/store/new-event';
import {
  parseGroupName,
  type Delivery,
  type GroupName,
  type GroupSettings,
  type Membership,
  type MemberUpdate,
} from '../../src/store/consumer-groups';
import type { StateStore } from '../../src/store/state-store';
import { parseStreamName, type StreamName } from '../../src/store/values';

export const log = pino({ level: process.env['GROUPS_LOG'] ?? 'silent' });

export function call(): CallContext {
  const { signal } = new AbortController();
  setMaxListeners(0, signal);
  return { signal, deadlineMs: Infinity };
}

export function name(text: string): GroupName {
  return parseGroupName(text) as GroupName;
}

export function stream(text: string): StreamName {
  return parseStreamName(text) as StreamName;
}

export const defaultSettings: GroupSettings = {
  filter: { patterns: ['>'], eventTypes: new Set(), eventTypePrefixes: [] },
  lanes: 8,
  attemptsMax: 10,
  backoffMinMs: 20,
  backoffMaxMs: 1_000,
  ackTimeoutMs: 30_000,
  handoverTimeoutMs: 2_000,
  parkedMax: 1_000,
  parkFollowing: false,
  skipUnreadable: false,
};

/** Short, and long enough that a busy machine loses no lease by chance. */
export const patientTimings: GroupTimings = {
  memberDeadMs: 2_000,
  leaseMs: 1_500,
  renewMs: 200,
  laneWriteMs: 20,
  cursorWriteMs: 200,
  tickMs: 5,
};

/** The protocol about thirty times faster than usual. */
export const shortTimings: GroupTimings = {
  memberDeadMs: 300,
  leaseMs: 200,
  renewMs: 60,
  laneWriteMs: 20,
  cursorWriteMs: 200,
  tickMs: 5,
};

export function open(
  store: EventStore,
  state: StateStore,
  limits: Partial<Limits> = {},
  timings: GroupTimings = patientTimings,
): OpenGroups {
  return openGroups({
    store,
    state,
    limits: { ...defaultLimits, ...limits },
    log,
    gateway: 'here:1',
    timings,
  });
}

export async function append(store: EventStore, to: string, count = 1, type = 'Happened'): Promise<void> {
  const events = Array.from({ length: count }, (): NewEvent => {
    const id = randomUUID();
    return {
      id,
      hasGivenId: true,
      type,
      payload: undefined,
      contentType: '',
      correlationId: id,
      causationId: id,
      tags: [],
      metadata: new Map(),
    };
  });
  await store.append({ stream: stream(to), events, expected: undefined, commitId: undefined }, call());
}

/** A member in a test: what it got, and what it is to do with it. */
export class TestMember {
  readonly updates: MemberUpdate[] = [];
  readonly done: Promise<unknown>;
  readonly caller = new AbortController();
  readonly stop = new AbortController();
  membership!: Membership;
  hasJoined = false;
  /** It says nothing any more. */
  isDead = false;
  onUpdate: (update: MemberUpdate) => void = () => undefined;
  private readonly joined: Promise<void>;

  constructor(
    groups: Pick<OpenGroups, 'join'>,
    group: string,
    readonly id: string,
    private readonly handle: (delivery: Delivery, member: TestMember) => void,
    inFlightMax = 16,
  ) {
    const joining = groups.join(
      { group: name(group), member: name(id), inFlightMax, heartbeatMs: undefined },
      { signal: this.caller.signal, deadlineMs: Infinity },
      this.stop.signal,
    );
    this.joined = joining.then((membership) => {
      this.membership = membership;
      this.hasJoined = true;
    });
    this.done = this.joined.then(() => this.run()).catch((error: unknown) => error);
    this.joined.catch(() => undefined);
  }

  ready(): Promise<void> {
    return this.joined;
  }

  private async run(): Promise<undefined> {
    for await (const update of this.membership.updates) {
      if (this.isDead) return undefined;
      this.updates.push(update);
      this.onUpdate(update);
      if (update.kind === 'deliveries') for (const delivery of update.deliveries) this.handle(delivery, this);
    }
    return undefined;
  }

  lanes(): number[] {
    const lanes = new Set<number>();
    for (const update of this.updates) {
      if (update.kind === 'assigned') for (const lane of update.lanes) lanes.add(lane);
      if (update.kind === 'revoked') for (const lane of update.lanes) lanes.delete(lane);
    }
    return [...lanes].sort((a, b) => a - b);
  }
}

/** The events of a delivery as "stream version". */
export function versionsOf({ events: { block, start, end } }: Delivery): string[] {
  return CommitRecord.decode(block.subarray(start, end)).events.map(
    ({ stream, version }) => `${stream} ${version.toString()}`,
  );
}
