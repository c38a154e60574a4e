import type {
  ConsumerGroups,
  CreateGroup,
  Delivery,
  Failed,
  Group,
  GroupName,
  GroupSettings,
  JoinCommand,
  Membership,
  MemberUpdate,
  SaidId,
  ParkedEvent,
} from '../../src/store/consumer-groups';
import { CancelledError } from '../../src/store/errors';
import type { EventRun } from '../../src/store/event-store';
import { GroupError } from '../../src/store/group-errors';
import { beginning, position, unixNanos, type StreamName } from '../../src/store/values';

/** Groups for tests of the edge: what members get is said by the test, and what they say is noted. No events, and no lanes. */
export class FakeGroups implements ConsumerGroups {
  readonly groups = new Map<string, Group>();
  readonly members: FakeMember[] = [];
  parked: readonly ParkedEvent[] = [];

  find(name: GroupName): Promise<Group | undefined> {
    return Promise.resolve(this.groups.get(name));
  }

  create({ name, settings }: CreateGroup): Promise<{ group: Group; created: boolean }> {
    const known = this.groups.get(name);
    if (known !== undefined) return Promise.reject(new GroupError('GROUP_EXISTS', `group ${name} exists`));
    const createTime = unixNanos(1_000_000_000n);
    const group = { name, settings, start: beginning, revision: 1n, createTime };
    this.groups.set(name, group);
    return Promise.resolve({ group, created: true });
  }

  async update({ name, settings }: { name: GroupName; settings: GroupSettings }): Promise<Group> {
    const group = { ...(await this.known(name)), settings };
    this.groups.set(name, group);
    return group;
  }

  delete({ name }: { name: GroupName }): Promise<boolean> {
    return Promise.resolve(this.groups.delete(name));
  }

  list(after: string): Promise<readonly Group[]> {
    const all = [...this.groups.values()].filter(({ name }) => name > after);
    return Promise.resolve(all.sort((a, b) => (a.name < b.name ? -1 : 1)));
  }

  async get(name: GroupName) {
    const group = await this.known(name);
    const lane = { number: 0, member: 'm', floor: position(3n), cursor: position(4n), streamsWaiting: 2 };
    const oldestTime = unixNanos(5_000_000_000n);
    return {
      group,
      lanes: [{ ...lane, oldestTime }],
      members: [{ id: 'm' as GroupName, lanes: [0], inFlightMax: 7, gateway: 'here:1' }],
      parkedCount: this.parked.length,
      head: position(10n),
    };
  }

  reset({ name }: { name: GroupName }): Promise<Group> {
    return this.known(name);
  }

  async join(
    command: JoinCommand,
    call: { readonly signal: AbortSignal },
    stop: AbortSignal,
  ): Promise<Membership> {
    const { settings } = await this.known(command.group);
    const member = new FakeMember(command, settings, call.signal, stop);
    this.members.push(member);
    return member;
  }

  async *listParked(): AsyncGenerator<readonly ParkedEvent[], void> {
    await Promise.resolve();
    yield this.parked;
  }

  replayParked(): Promise<number> {
    return Promise.resolve(this.parked.length);
  }

  dropParked(): Promise<number> {
    return Promise.resolve(this.parked.length);
  }

  facts(): [] {
    return [];
  }

  private known(name: GroupName): Promise<Group> {
    const group = this.groups.get(name);
    if (group !== undefined) return Promise.resolve(group);
    return Promise.reject(new GroupError('GROUP_NOT_FOUND', `there is no group ${name}`));
  }
}

/** Holds the deliveries that it was given; everything else is refused. */
export class FakeMember implements Membership {
  readonly member: GroupName;
  readonly storeId = 'the-store';
  readonly held = new Set<bigint>();
  /** What the member said of deliveries that it holds. */
  readonly said: (bigint | readonly [delivery: bigint, handled: number, failed: Failed])[] = [];
  readonly extended: bigint[] = [];
  refusedWaiting = 0;
  hasLeft = false;
  isOver = false;
  private readonly waiting: MemberUpdate[] = [];
  private wake = (): void => undefined;

  constructor(
    readonly command: JoinCommand,
    public settings: GroupSettings,
    private readonly signal: AbortSignal,
    private readonly stop: AbortSignal,
  ) {
    this.member = command.member ?? ('made' as GroupName);
    signal.addEventListener('abort', () => {
      this.isOver = true;
      this.wake();
    });
    stop.addEventListener('abort', () => {
      this.give({ kind: 'draining' });
    });
  }

  give(update: MemberUpdate): void {
    if (update.kind === 'deliveries') for (const { id } of update.deliveries) this.held.add(BigInt(id));
    this.waiting.push(update);
    this.wake();
  }

  ack(deliveries: readonly SaidId[]): void {
    for (const id of deliveries) if (this.settles(BigInt(id))) this.said.push(BigInt(id));
  }

  fail(said: SaidId, handled: number, failed: Failed): void {
    const delivery = BigInt(said);
    if (this.settles(delivery)) this.said.push([delivery, handled, failed]);
  }

  extend(deliveries: readonly SaidId[]): void {
    this.extended.push(...deliveries.map(BigInt));
  }

  leave(): void {
    this.hasLeft = true;
    this.wake();
  }

  get updates(): AsyncIterable<MemberUpdate> {
    return this.run();
  }

  private async *run(): AsyncGenerator<MemberUpdate, void> {
    for (;;) {
      // As of a caller that has gone: why, its call knows.
      if (this.signal.aborted) throw new CancelledError('the caller has gone');
      const update = this.waiting.shift();
      if (update !== undefined) {
        if (update.kind === 'refused') this.refusedWaiting--;
        yield update;
        if (update.kind === 'draining') throw this.stop.reason as Error;
      } else if (this.hasLeft && this.held.size === 0) return;
      else await new Promise<void>((resolve) => (this.wake = resolve));
    }
  }

  private settles(delivery: bigint): boolean {
    if (this.held.delete(delivery)) {
      this.wake();
      return true;
    }
    this.refusedWaiting++;
    const error = new GroupError('DELIVERY_NOT_HELD', `the member does not have delivery ${delivery}`);
    this.give({ kind: 'refused', delivery, error });
    return false;
  }
}

/** A delivery of these encoded events. */
export function fakeDelivery(id: number, run: EventRun, more: Partial<Delivery> = {}): Delivery {
  return {
    id,
    lane: 3,
    stream: 'order.1' as StreamName,
    // As of a real one, its bytes are a part of a block.
    events: { block: Buffer.concat([Buffer.alloc(5), run.events]), start: 5, end: 5 + run.events.length },
    eventCount: run.eventCount,
    attempt: 1,
    redelivered: false,
    replayed: false,
    ...more,
  };
}
