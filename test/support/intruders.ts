import { setTimeout as sleep } from 'node:timers/promises';
import { newEvents, refusals } from './attempts';
import { connectRpc, type RpcClient } from './rpc-client';
import { RpcFailure } from './rpc-failure';
import { ownStreams, slowAppendsPerSecond, type SoakAccess } from './soak-access';

/** The type of the events that nobody may store. */
export const deniedType = 'Denied';

/** What callers have tried who may not, or not as much. */
export interface Tried {
  /** Calls that were denied, by the gateway, as its audit log has to say. */
  readonly denials: readonly number[];
  /** The positions of what they appended to streams of their own, by the gateway. */
  readonly stored: readonly (readonly string[])[];
  readonly faults: readonly string[];
  readonly counts: Readonly<Record<string, number>>;
}

export interface Intruders {
  /** Stops them. `starts`: how often each gateway was started, since a rate begins with a full second. */
  stopped(starts: readonly number[]): Promise<Tried>;
}

const pauseMs = 200;
const subscribedMs = 500;
const shownMax = 20;
const own = ownStreams.replace('>', '1');

/** `target`: a stream of the load. `correlationId`: of events in it. */
interface Goal {
  readonly target: string;
  readonly correlationId: string;
}

/**
 * Starts callers at each gateway who may not see or write the load: with wrong credentials, with grants on other streams, and one who
 * appends faster than its quota allows.
 */
export function startIntruders(access: SoakAccess, addresses: readonly string[], goal: Goal): Intruders {
  const stop = new AbortController();
  const { signal } = stop;
  const begunMs = performance.now();
  const all = addresses.map((address) => new Intruder(access, address, goal));
  const running = Promise.all(
    all.flatMap((one) => [one.spy(signal), one.knock(signal), one.lookOn(signal), ...one.hurries(signal)]),
  );
  running.catch(() => undefined);
  return {
    async stopped(starts) {
      stop.abort();
      await running;
      const forSeconds = (performance.now() - begunMs) / 1_000;
      const tooFast = all.flatMap(({ slow }, number) => {
        const max = slowAppendsPerSecond * (forSeconds + (starts[number] ?? 1));
        return slow.length <= max ? [] : [`${slow.length} appends of the slow principal in ${forSeconds} s`];
      });
      const counts: Record<string, number> = {};
      for (const one of all)
        for (const [what, count] of one.counts) counts[what] = (counts[what] ?? 0) + count;
      const untried = ['UNAUTHENTICATED', 'ACCESS_DENIED', 'QUOTA_EXCEEDED']
        .filter((reason) => counts[reason] === undefined)
        .map((reason) => `no call got ${reason}`);
      return {
        denials: all.map(({ denials }) => denials),
        stored: all.map(({ slow, own }) => [...slow, ...own]),
        faults: [...all.flatMap(({ faults }) => faults.slice(0, shownMax)), ...tooFast, ...untried],
        counts,
      };
    },
  };
}

type Try = (client: RpcClient) => Promise<unknown>;

class Intruder {
  denials = 0;
  readonly faults: string[] = [];
  /** Positions of the appends of the principal with a quota. */
  readonly slow: string[] = [];
  /** Positions of the appends of the spy to its own stream. */
  readonly own: string[] = [];
  readonly counts = new Map<string, number>();

  constructor(
    private readonly access: SoakAccess,
    private readonly address: string,
    private readonly goal: Goal,
  ) {}

  /** Tries all calls with grants on other streams. */
  async spy(signal: AbortSignal): Promise<void> {
    using client = connectRpc(this.address, this.access.spy);
    while (!signal.aborted) {
      for (const [name, attempt] of this.attempts())
        await this.expectDenied(name, client, attempt, 'ACCESS_DENIED');
      await this.tolerate('ReadByCorrelation', async () => {
        const { correlationId } = this.goal;
        this.see('ReadByCorrelation', (await client.readByCorrelation({ correlationId })).events);
      });
      await this.tolerate('ReadAll', async () => {
        const query = { patterns: ['>'], permittedOnly: true, maxCount: 100n };
        this.see('ReadAll', (await client.readAll(query)).events);
      });
      await this.tolerate('an own append', async () => {
        const { position } = await client.append({ stream: own, events: newEvents(1) });
        this.own.push(position.toString());
      });
      await sleep(pauseMs);
    }
  }

  /** Tries to append and to read with credentials that are wrong. */
  async knock(signal: AbortSignal): Promise<void> {
    const clients = [...(await this.access.wrongTokens())].map(
      ([name, token]) => [name, connectRpc(this.address, token)] as const,
    );
    while (!signal.aborted) {
      for (const [name, client] of clients)
        for (const [call, attempt] of this.attempts())
          await this.expectDenied(`${call} with a credential: ${name}`, client, attempt, 'UNAUTHENTICATED');
      await sleep(pauseMs);
    }
    for (const [, client] of clients) client[Symbol.dispose]();
  }

  /** Append faster than their quota allows. */
  hurries(signal: AbortSignal): Promise<void>[] {
    return Array.from({ length: slowAppendsPerSecond }, () => this.hurry(signal));
  }

  private async hurry(signal: AbortSignal): Promise<void> {
    using client = connectRpc(this.address, this.access.slow);
    while (!signal.aborted) {
      const append = client.append({ stream: 'slow.1', events: newEvents(1) });
      const position = await append.then((stored) => stored.position.toString(), this.refused('slow'));
      if (position !== undefined) this.slow.push(position);
      await sleep(pauseMs);
    }
  }

  /** Subscribes to everything that is permitted. */
  async lookOn(signal: AbortSignal): Promise<void> {
    using client = connectRpc(this.address, this.access.spy);
    while (!signal.aborted) {
      const options = { deadline: Date.now() + subscribedMs };
      await this.tolerate('a subscription', async () => {
        for await (const { events } of client.subscribe({ patterns: ['>'], permittedOnly: true }, options))
          this.see('Subscribe', events);
      });
    }
  }

  private attempts(): [string, Try][] {
    const { target, correlationId } = this.goal;
    const events = (): object[] =>
      newEvents(1).map((event) => ({ ...event, type: deniedType, correlationId }));
    const denied: Record<string, Try> = {
      append: (client) => client.append({ stream: target, events: events() }),
      appendMulti: (client) =>
        client.appendMulti({ appends: [own, target].map((stream) => ({ stream, events: events() })) }),
      readStream: (client) => client.readStream({ stream: target }),
      getVersion: (client) => client.getVersion({ stream: target }),
      readAll: (client) => client.readAll({ patterns: [target] }),
      listStreams: (client) => client.listStreams({ pattern: '>' }),
      serverInfo: (client) => client.serverInfo(),
    };
    return Object.entries(denied);
  }

  private async expectDenied(name: string, client: RpcClient, attempt: Try, reason: string): Promise<void> {
    try {
      await attempt(client);
      this.faults.push(`${name} was served`);
    } catch (error) {
      if (!(error instanceof RpcFailure)) throw error;
      if (error.reason === reason) this.denied(reason);
      else this.note(name, error);
    }
  }

  private see(name: string, events: readonly { readonly stream: string }[]): void {
    const others = events.filter(({ stream }) => stream !== own);
    if (others.length > 0)
      this.faults.push(`${name} shows ${others.length} events of ${others[0]?.stream ?? ''}`);
    this.count(`${name}: events`, events.length);
  }

  private async tolerate(name: string, call: () => Promise<unknown>): Promise<void> {
    try {
      await call();
      this.count(name, 1);
    } catch (error) {
      if (!(error instanceof RpcFailure)) throw error;
      this.note(name, error);
    }
  }

  private refused(name: string): (error: unknown) => undefined {
    return (error) => {
      if (!(error instanceof RpcFailure)) throw error;
      if (error.reason === 'QUOTA_EXCEEDED') this.denied(error.reason);
      else this.note(name, error);
      return undefined;
    };
  }

  private denied(reason: string): void {
    this.denials++;
    this.count(reason, 1);
  }

  /** Without a reason the error does not come from the gateway: it is away, or the deadline has passed. */
  private note(name: string, { reason, message }: RpcFailure): void {
    if (reason === 'UNAUTHENTICATED') this.denied(reason);
    else if (reason === undefined || refusals.includes(reason))
      this.count(reason ?? 'not from the gateway', 1);
    else this.faults.push(`${name}: ${reason}: ${message}`);
  }

  private count(what: string, count: number): void {
    this.counts.set(what, (this.counts.get(what) ?? 0) + count);
  }
}

/** What is wrong with the number of denials in an audit log, if callers got this many. */
export function denialFaults(denied: number, found: number): string[] {
  // A denial whose response is lost, or comes after the deadline of its caller, has a line all the same.
  return found >= denied ? [] : [`${denied} calls were denied, and the audit log has ${found}`];
}
