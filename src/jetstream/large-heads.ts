import { performance } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import type { CallContext } from '../store/event-store';
import type { StreamName } from '../store/values';
import type { StoredPart } from './commit-codec';
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
  private newer = new Set<StreamName>();
  private older = this.newer;

  /** So many streams are remembered to have a large last message. */
  constructor(private readonly entriesMax: number) {}

  /** Asks for the last message of a stream, at most until the call's deadline. */
  ask(stream: StreamName, call: CallContext, question: () => Promise<Head>): Promise<Head> {
    if (!this.newer.has(stream) && !this.older.has(stream)) return this.noted(stream, question());
    const answer = new Promise<Head>((resolve, reject) => {
      const turn = async (): Promise<void> => {
        if (Date.now() >= call.deadlineMs) return; // nobody waits for it any more
        const startedAt = performance.now();
        const asked = this.noted(stream, question());
        asked.then(resolve, reject);
        await asked;
        if (this.newer.has(stream)) await sleep(restFactor * (performance.now() - startedAt));
      };
      this.lane.with(1, call.signal, turn).catch(reject);
    });
    return byDeadline(answer, call);
  }

  private async noted(stream: StreamName, question: Promise<Head>): Promise<Head> {
    const head = await question;
    if (head !== undefined && head.body.length > largeBytes) this.add(stream);
    else this.delete(stream);
    return head;
  }

  private delete(stream: StreamName): void {
    this.newer.delete(stream);
    this.older.delete(stream);
  }

  private add(stream: StreamName): void {
    this.newer.add(stream);
    if ((this.newer.size + 1) * 2 <= this.entriesMax) return;
    this.older = this.newer;
    this.newer = new Set();
  }
}
