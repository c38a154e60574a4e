import { principalShareOf, type Limits } from '../limits';
import { Bucket } from './buckets';
import { QuotaExceededError, type QuotaLimit } from './errors';
import type { CallerLimits } from './permissions';

/**
 * What calls occupy while they are under way, besides appends. `calls`: every call, from its metadata to its end. `members`: of
 * groups, each of which is a subscription as well.
 */
export type Slot = 'calls' | 'reads' | 'subscriptions' | 'members' | 'sessions' | 'lookups';

/** What one principal may have of each bound in all, so that others find room. */
type Reserved = Readonly<Record<Slot | 'appends' | 'appendBytes', number>>;

/** What the principals use. */
export interface Quotas {
  /** The share of a principal over all of its connections: the same one as long as anything of it is in use. */
  of(principal: string): Share;
  /** A share for one connection of anonymous callers. */
  forAnonymousConnection(): Share;
  /** How many principals are remembered. */
  readonly size: number;
}

/** Principals that are remembered before the first look for idle ones. */
const principalsMin = 1_024;
/** When to try again what waits for calls that are under way. */
const retryMs = 250;

/** `now`: a monotonic clock, in milliseconds. */
export function createQuotas(limits: Limits, now: () => number = () => performance.now()): Quotas {
  const reserved: Reserved = {
    calls: principalShareOf(limits.callsMax),
    reads: principalShareOf(limits.readsMax),
    subscriptions: principalShareOf(limits.subscriptionsMax),
    members: principalShareOf(limits.membersMax),
    sessions: principalShareOf(limits.sessionsMax),
    lookups: principalShareOf(limits.lookupsMax),
    appends: principalShareOf(limits.appendsMax),
    appendBytes: principalShareOf(limits.appendsBytesMax),
  };
  const shares = new Map<string, Share>();
  const allAnonymous = new Share(reserved, now);
  let sweepAt = principalsMin;
  const sweep = (): void => {
    for (const [principal, share] of shares) if (share.isIdle) shares.delete(principal);
    sweepAt = Math.max(principalsMin, 2 * shares.size);
  };
  return {
    of(principal) {
      let share = shares.get(principal);
      if (share !== undefined) return share;
      if (shares.size >= sweepAt) sweep();
      share = new Share(reserved, now);
      shares.set(principal, share);
      return share;
    },
    forAnonymousConnection: () => new Share(reserved, now, allAnonymous),
    get size() {
      return shares.size;
    },
  };
}

/**
 * What one principal uses, or one connection of anonymous callers. Each call gives the limits, so that those of a new generation
 * count at once.
 */
export class Share {
  appends = 0;
  appendBytes = 0;
  private readonly taken: Record<Slot, number> = {
    calls: 0,
    reads: 0,
    subscriptions: 0,
    members: 0,
    sessions: 0,
    lookups: 0,
  };
  private readonly appendRate = new Bucket();
  private readonly byteRate = new Bucket();
  private readonly newStreamRate = new Bucket();

  constructor(
    private readonly reserved: Reserved,
    private readonly now: () => number,
    /** Of all anonymous callers together, which have no more of a bound in all than one principal. */
    private readonly whole?: Share,
  ) {}

  /** Occupies a slot. Throws QuotaExceededError. */
  enter(slot: Slot, limits: CallerLimits): void {
    const ownMax = slot === 'calls' || slot === 'members' ? undefined : limits[slot];
    const max = least(ownMax, this.reserved[slot]);
    if (this.taken[slot] >= max) throw tooMany(slot, slot, this.taken[slot]);
    this.whole?.enterWhole(slot);
    this.taken[slot]++;
  }

  leave(slot: Slot): void {
    this.taken[slot]--;
    if (this.whole !== undefined) this.whole.taken[slot]--;
  }

  private enterWhole(slot: Slot): void {
    if (this.taken[slot] >= this.reserved[slot]) throw tooMany(slot, slot, this.taken[slot]);
    this.taken[slot]++;
  }

  /** Counts an append in, or says why not. `leaveAppend` has to follow once it has ended. */
  enterAppend(bytes: number, limits: CallerLimits): QuotaExceededError | undefined {
    const refusal =
      this.refusal(bytes, limits.appends, limits.appendBytes) ??
      this.whole?.refusal(bytes, undefined, undefined) ??
      this.refusalByRate(bytes, limits);
    if (refusal !== undefined) return refusal;
    this.count(1, bytes);
    this.whole?.count(1, bytes);
    return undefined;
  }

  leaveAppend(bytes: number): void {
    this.count(-1, -bytes);
    this.whole?.count(-1, -bytes);
  }

  private count(appends: number, bytes: number): void {
    this.appends += appends;
    this.appendBytes += bytes;
  }

  /** A principal without appends may begin with one of any size. */
  private refusal(
    bytes: number,
    appendsMax: number | undefined,
    bytesMax: number | undefined,
  ): QuotaExceededError | undefined {
    const { appends, appendBytes, reserved } = this;
    if (appends >= least(appendsMax, reserved.appends)) return tooMany('appends', 'appends', appends);
    const isTooMuch = appends > 0 && appendBytes + bytes > least(bytesMax, reserved.appendBytes);
    return isTooMuch ? tooMany('append_bytes', 'bytes of appends', appendBytes) : undefined;
  }

  /** Takes the append from its rates, or says for which one it has to wait. */
  private refusalByRate(
    bytes: number,
    { appendsPerSecond, bytesPerSecond }: CallerLimits,
  ): QuotaExceededError | undefined {
    if (appendsPerSecond === undefined && bytesPerSecond === undefined) return undefined;
    const nowMs = this.now();
    const forAppend = appendsPerSecond === undefined ? 0 : this.appendRate.waitMs(1, appendsPerSecond, nowMs);
    if (forAppend > 0) return tooFast('appends_per_s', forAppend);
    const forBytes = bytesPerSecond === undefined ? 0 : this.byteRate.waitMs(bytes, bytesPerSecond, nowMs);
    if (forBytes > 0) return tooFast('bytes_per_s', forBytes);
    if (appendsPerSecond !== undefined) this.appendRate.take(1, nowMs);
    if (bytesPerSecond !== undefined) this.byteRate.take(bytes, nowMs);
    return undefined;
  }

  /** How many appends may be under way at a time, and how many bytes. */
  appendBounds({ appends, appendBytes }: CallerLimits): { readonly appends: number; readonly bytes: number } {
    const { reserved } = this;
    return {
      appends: least(appends, reserved.appends),
      bytes: least(appendBytes, reserved.appendBytes),
    };
  }

  /** Why a new stream may not be created now; undefined: it may. */
  newStreamRefusal({ newStreamsPerSecond }: CallerLimits): QuotaExceededError | undefined {
    if (newStreamsPerSecond === undefined) return undefined;
    const waitMs = this.newStreamRate.waitMs(1, newStreamsPerSecond, this.now());
    return waitMs > 0 ? tooFast('new_streams_per_s', waitMs) : undefined;
  }

  /** New streams are charged once they are stored, even if there were too many at a time: then later ones wait longer. */
  chargeNewStreams(streams: number, { newStreamsPerSecond }: CallerLimits): void {
    if (newStreamsPerSecond !== undefined) this.newStreamRate.take(streams, this.now());
  }

  /** Nothing is under way, and all rates are full: nothing is lost if it is forgotten. */
  get isIdle(): boolean {
    const nowMs = this.now();
    return (
      this.appends === 0 &&
      Object.values(this.taken).every((count) => count === 0) &&
      this.appendRate.isFull(nowMs) &&
      this.byteRate.isFull(nowMs) &&
      this.newStreamRate.isFull(nowMs)
    );
  }
}

function least(limit: number | undefined, reserved: number): number {
  return limit === undefined ? reserved : Math.min(limit, reserved);
}

function tooMany(limit: QuotaLimit, what: string, count: number): QuotaExceededError {
  return new QuotaExceededError(
    limit,
    retryMs,
    `the caller has ${count} ${what} under way already, as its limit ${limit} allows`,
  );
}

function tooFast(limit: QuotaLimit, waitMs: number): QuotaExceededError {
  return new QuotaExceededError(limit, waitMs, `the caller has used up its limit ${limit}`);
}
