import { InvalidRequestError } from '../store/errors';
import type {
  Delivery,
  Failed,
  GroupName,
  GroupSettings,
  Membership,
  MemberUpdate,
  SaidId,
} from '../store/consumer-groups';
import { GroupError } from '../store/group-errors';
import type { Position } from '../store/values';
import type { Held, LaneHolder, LaneOwner } from './lane-owner';
import { QuietTime } from './quiet-time';

/** What a member needs of its group. */
export interface MemberHost {
  readonly settings: GroupSettings;
  readonly storeId: string;
  /** Takes lanes away that the member may not have any more: before anything of them is settled or delivered. */
  checkLease(member: Member): void;
  /** The next deliveries for the member; empty: nothing is ready, or the member has all it may have. */
  collect(member: Member): readonly Delivery[];
  acknowledge(held: readonly Held[]): void;
  failDelivery(held: Held, handled: number, failed: Failed): void;
  /** The member wants no more deliveries. */
  leave(member: Member): void;
  /** The member has gone. Resolves when what it has settled is stored. */
  remove(member: Member): Promise<void>;
}

type Result = IteratorResult<MemberUpdate, void>;

/** A member of a group on this gateway: what it has, and what it is to be sent. */
export class Member implements Membership, LaneHolder {
  /** By their ids, in the order of their time-outs. */
  readonly held = new Map<number, Held>();
  readonly lanes = new Set<LaneOwner>();
  readonly updates: AsyncIterable<MemberUpdate>;
  isLeaving = false;
  /** Whether it is to learn when nothing is left to deliver. */
  awaitsCaughtUp = true;
  refusedWaiting = 0;
  readonly quiet = new QuietTime();
  private readonly notices: MemberUpdate[] = [];
  private lastId = 0;
  private ending: { readonly error: unknown } | undefined;
  private waiter:
    { readonly resolve: (result: Result) => void; readonly reject: (error: unknown) => void } | undefined;
  /** Round robin over its lanes. */
  private turn = 0;

  constructor(
    readonly member: GroupName,
    readonly inFlightMax: number,
    private readonly host: MemberHost,
  ) {
    this.updates = { [Symbol.asyncIterator]: () => this.iterator() };
  }

  get settings(): GroupSettings {
    return this.host.settings;
  }

  get storeId(): string {
    return this.host.storeId;
  }

  get hasEnded(): boolean {
    return this.ending !== undefined;
  }

  /** Its lanes that it keeps, beginning with another one each time. */
  activeLanes(): LaneOwner[] {
    const active = [...this.lanes].filter(({ isActive }) => isActive);
    if (active.length === 0) return active;
    this.turn = (this.turn + 1) % active.length;
    return [...active.slice(this.turn), ...active.slice(0, this.turn)];
  }

  nextId(): number {
    return ++this.lastId;
  }

  /** Takes note of what is about to be delivered. */
  hold(delivery: Held): Held {
    this.held.set(delivery.id, delivery);
    return delivery;
  }

  /** What there is room for then is delivered at the end of this turn of the event loop, together. */
  ack(deliveries: readonly SaidId[]): void {
    this.host.checkLease(this);
    const found: Held[] = [];
    for (const id of deliveries) {
      const held = this.take(id);
      if (held !== undefined) found.push(held);
    }
    if (found.length === 0) {
      this.wake();
      return;
    }
    this.onSettled();
    this.host.acknowledge(found);
  }

  fail(delivery: SaidId, handled: number, failed: Failed): void {
    this.host.checkLease(this);
    const held = this.held.get(Number(delivery));
    const count = held?.unit.eventCount ?? 0;
    if (held !== undefined && (handled < 0 || handled >= count)) {
      const description = `is ${handled.toString()}, and the delivery has ${count.toString()} events`;
      this.refuse(delivery, new InvalidRequestError([{ field: 'handled', description }]));
    } else if (this.take(delivery) !== undefined && held !== undefined) {
      this.onSettled();
      this.host.failDelivery(held, handled, failed);
    }
    this.wake();
  }

  extend(deliveries: readonly SaidId[]): void {
    this.host.checkLease(this);
    const nowMs = performance.now();
    for (const id of deliveries) {
      const held = this.take(id);
      if (held === undefined) continue;
      held.dueMs = nowMs + this.settings.ackTimeoutMs;
      this.held.set(Number(id), held);
      this.quiet.reset();
    }
    if (this.held.size > 0) this.quiet.goOn(nowMs);
    this.wake();
  }

  leave(): void {
    if (!this.isLeaving) this.host.leave(this);
  }

  /** Sends a notice before all further deliveries. */
  notify(notice: MemberUpdate): void {
    this.notices.push(notice);
    this.wake();
  }

  /** Sends the end of the store, unless an earlier notice was not taken. */
  heartbeat(head: Position): void {
    if (this.notices.length === 0) this.notify({ kind: 'heartbeat', head });
  }

  /** Ends the membership, with an error unless it is undefined. */
  end(error: unknown): void {
    if (this.ending !== undefined) return;
    this.ending = { error };
    this.wake();
  }

  /** Gives what is there to the caller that waits for it. */
  wake(): void {
    const { waiter } = this;
    if (waiter === undefined) return;
    // What is found out on the way can lead here again.
    this.waiter = undefined;
    const update = this.nextUpdate();
    if (update === undefined && this.ending === undefined) {
      this.waiter = waiter;
      return;
    }
    if (update !== undefined) waiter.resolve({ value: update, done: false });
    else if (this.ending?.error === undefined) waiter.resolve({ value: undefined, done: true });
    else waiter.reject(this.ending.error);
  }

  /** Gives up what it has of a lane. */
  drop(owner: LaneOwner): readonly Held[] {
    const dropped = [...this.held.values()].filter((held) => held.owner === owner);
    for (const { id } of dropped) this.held.delete(id);
    if (this.held.size === 0) this.quiet.reset();
    return dropped;
  }

  /** The delivery that it has, which it then has no more; otherwise it learns that it does not have it. */
  private take(id: SaidId): Held | undefined {
    const key = Number(id);
    const held = this.held.get(key);
    if (held === undefined || held.owner.isLost) {
      this.refuse(
        id,
        new GroupError('DELIVERY_NOT_HELD', `the member does not have delivery ${id.toString()}`),
      );
      return undefined;
    }
    this.held.delete(key);
    return held;
  }

  private onSettled(): void {
    this.quiet.reset();
    if (this.held.size > 0) this.quiet.goOn(performance.now());
  }

  private refuse(delivery: SaidId, error: Error): void {
    this.refusedWaiting++;
    this.notices.push({ kind: 'refused', delivery: BigInt(delivery), error });
  }

  private nextUpdate(): MemberUpdate | undefined {
    const notice = this.notices.shift();
    if (notice?.kind === 'refused') this.refusedWaiting--;
    if (notice !== undefined || this.ending !== undefined) return notice;
    const deliveries = this.host.collect(this);
    if (deliveries.length > 0) return { kind: 'deliveries', deliveries };
    return this.notices.shift();
  }

  private iterator(): AsyncIterator<MemberUpdate, void> {
    return {
      next: () =>
        new Promise((resolve, reject) => {
          this.waiter = { resolve, reject };
          this.wake();
        }),
      return: async () => {
        this.end(undefined);
        await this.host.remove(this);
        return { value: undefined, done: true };
      },
    };
  }
}
