import { connect, type AppendResult, type AppendSession } from '../../src/client/client';
import { uuidV7 } from '../../src/uuid';
import { replicated } from './info-now';

const sessions = 2;
/** Their events are far from each other in the log. */
const eventsPerId = 4;
const readersAtOnce = 16;
const appendTimeoutMs = 60_000;
/** Appends under way in one session. */
const pendingMax = 512;
const replicaTimeoutMs = 600_000;

/**
 * Commits of one event, written by sessions as fast as possible and then looked up: every correlation id must have all its events,
 * and a commit that is sent again must be a replay.
 */
export class BulkLoad {
  readonly ids: number;
  private readonly commitIds: string[] = [];

  constructor(
    readonly commits: number,
    private readonly streams = 64,
  ) {
    this.ids = Math.ceil(commits / eventsPerId);
  }

  /** Resolves when the replica has the whole log, with the commits a second that were stored. */
  async write(address: string): Promise<number> {
    const startedMs = Date.now();
    await this.send(address, 1);
    const seconds = (Date.now() - startedMs) / 1_000;
    using sluice = connect(address);
    await replicated(sluice, replicaTimeoutMs);
    return Math.round(this.commits / seconds);
  }

  /** Of every n-th correlation id: those whose events are not all found. */
  async incompleteIds(address: string, every = 1): Promise<string[]> {
    using sluice = connect(address);
    const incomplete: string[] = [];
    let next = 0;
    const readOn = async (): Promise<void> => {
      for (; next < this.ids;) {
        const id = next;
        next += every;
        const wanted = Math.ceil((this.commits - id) / this.ids);
        let found = 0;
        for await (const { correlationId } of sluice.readByCorrelation(this.idOf(id)))
          if (correlationId === this.idOf(id)) found++;
        if (found !== wanted) incomplete.push(this.idOf(id));
      }
    };
    await Promise.all(Array.from({ length: readersAtOnce }, readOn));
    return incomplete;
  }

  /** Sends every n-th commit again. The result has those that were stored twice. */
  async storedAgain(address: string, every = 1): Promise<string[]> {
    const results = await this.send(address, every);
    return results.filter(({ replayed }) => !replayed).map(({ commitId }) => commitId);
  }

  private async send(address: string, every: number): Promise<AppendResult[]> {
    const results: Promise<AppendResult>[] = [];
    using sluice = connect(address);
    const open = Array.from({ length: sessions }, () => sluice.appendSession({ pendingMax }));
    for (let number = 0; number < this.commits; number += every) {
      const session = open[number % sessions] as AppendSession;
      await session.ready();
      const stream = `bulk.${number % this.streams}`;
      const events = [{ type: 'Loaded', correlationId: this.idOf(number), data: number.toString() }];
      const commitId = (this.commitIds[number] ??= uuidV7());
      const append = session.append(stream, events, { commitId });
      // On a busy machine an answer may be late.
      results.push(
        append.catch(() => sluice.append(stream, events, { commitId, deadlineMs: appendTimeoutMs })),
      );
    }
    await Promise.all(open.map((session) => session.close()));
    return await Promise.all(results);
  }

  private idOf(number: number): string {
    return `bulk-${number % this.ids}`;
  }
}
