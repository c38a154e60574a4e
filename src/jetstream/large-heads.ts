import { performance } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import type { CallContext } from '../store/event-store';
import type { StreamName } from '../store/values';
import type { StoredPart } from './commit-codec';
import { RecentMap } from './recent-map';
import { createRoom } from './room';
import { byDeadline } from './shared';

type Head = StoredPart | undefined;

/** What takes the gateway's thread for a while. */
const largeBytes = 256 << 10;
/** After a large answer, so many times what it took is left to others. */
const restFactor = 4;

/**
 * NATS gives the last message of a stream whole, which can be megabytes. So streams whose last message was large are asked about
 * one at a time, with rests between, whoever asks; those of which that is not known are asked about at once.
 */
export class LargeHeads {
  private readonly lane = createRoom(1);
  private readonly known: RecentMap<StreamName, true>;

  /** So many streams are remembered to have a large last message. */
  constructor(entriesMax: number) {
    this.known = new RecentMap(entriesMax);
  }

  /** Asks for the last message of a stream, at most until the call's deadline. */
  ask(stream: StreamName, call: CallContext, question: () => Promise<Head>): Promise<Head> {
    if (this.known.get(stream) === undefined) return this.noted(stream, question());
    const answer = new Promise<Head>((resolve, reject) => {
      const turn = async (): Promise<void> => {
        if (Date.now() >= call.deadlineMs) return; // nobody waits for it any more
        const startedAt = performance.now();
        const asked = this.noted(stream, question());
        asked.then(resolve, reject);
        await asked;
        if (this.known.get(stream) === true) await sleep(restFactor * (performance.now() - startedAt));
      };
      this.lane.with(1, call.signal, turn).catch(reject);
    });
    return byDeadline(answer, call);
  }

  private async noted(stream: StreamName, question: Promise<Head>): Promise<Head> {
    const head = await question;
    if (head !== undefined && head.body.length > largeBytes) this.known.set(stream, true);
    else this.known.delete(stream);
    return head;
  }
}
