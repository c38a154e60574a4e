import {
  connect,
  type AppendResult,
  type AppendSession,
  type SluiceClient,
  type Token,
} from '../../src/client/client';
import { uuidV7 } from '../../src/uuid';
import { replicated } from './info-now';

/** Their events are far from each other in the log. */
const eventsPerId = 4;
const readersAtOnce = 16;
const appendTimeoutMs = 60_000;
/** Appends under way in one session. */
const pendingMax = 512;
const replicaTimeoutMs = 600_000;

/** The tokens of a load: one for each of two sessions, and one of a reader who may also see the replica. */
export interface BulkTokens {
  readonly writers: readonly [Token, Token];
  readonly reader: Token;
}

/**
 * Commits of one event, written by two sessions as fast as possible and then looked up: every correlation id must have all its
 * events, and a commit that is sent again must be a replay.
 */
export class BulkLoad {
  readonly ids: number;
  /** Of each commit. */
  readonly commitIds: string[] = [];
  /** Where each commit is, by the result of its first append. */
  readonly positions: bigint[] = [];
  /** Sessions that ended before the load did. */
  sessionsLost = 0;

  constructor(
    readonly commits: number,
    private readonly streams = 64,
    private readonly tokens?: BulkTokens,
    /** Whether each commit has its correlation id as a tag, too. */
    private readonly isTagged = false,
  ) {
    this.ids = Math.ceil(commits / eventsPerId);
  }

  /** Resolves when the replica has the whole log, with the commits a second that were stored. */
  async write(address: string): Promise<number> {
    const startedMs = Date.now();
    for (const { position } of await this.send(address, 1)) this.positions.push(position);
    const seconds = (Date.now() - startedMs) / 1_000;
    using sluice = this.connectReader(address);
    await replicated(sluice, replicaTimeoutMs);
    return Math.round(this.commits / seconds);
  }

  /** Of every n-th correlation id: those whose events are not all found. */
  async incompleteIds(address: string, every = 1): Promise<string[]> {
    using sluice = this.connectReader(address);
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

  /** In the order of the commits. */
  private async send(address: string, every: number): Promise<AppendResult[]> {
    const results: Promise<AppendResult>[] = [];
    const writers = this.writers().map((token) => new BulkWriter(address, token));
    for (let number = 0; number < this.commits; number += every) {
      const commitId = (this.commitIds[number] ??= uuidV7());
      const correlationId = this.idOf(number);
      const tags = this.isTagged ? [correlationId] : [];
      const event = { type: 'Loaded', correlationId, data: number.toString(), tags };
      const writer = writers[number % writers.length] as BulkWriter;
      await writer.ready();
      results.push(writer.append(`bulk.${number % this.streams}`, event, commitId));
    }
    const all = await Promise.all(results);
    for (const writer of writers) {
      await writer.close();
      this.sessionsLost += writer.sessionsLost;
    }
    return all;
  }

  private writers(): readonly (Token | undefined)[] {
    return this.tokens?.writers ?? [undefined, undefined];
  }

  private connectReader(address: string): SluiceClient {
    return connectAs(address, this.tokens?.reader);
  }

  /** Where the commits are that have the correlation id of this number, in order. */
  positionsOf(id: number): bigint[] {
    const found: bigint[] = [];
    for (let number = id; number < this.commits; number += this.ids) found.push(this.positions[number] ?? 0n);
    return found.sort((one, other) => Number(one - other));
  }

  /** The correlation id of a commit. */
  idOf(number: number): string {
    return `bulk-${number % this.ids}`;
  }
}

function connectAs(address: string, token: Token | undefined): SluiceClient {
  return connect(address, token === undefined ? {} : { token });
}

/** Appends by one session after another: a session ends when its token is no longer accepted. */
class BulkWriter {
  sessionsLost = 0;
  private readonly client: SluiceClient;
  private session: AppendSession;

  constructor(address: string, token: Token | undefined) {
    this.client = connectAs(address, token);
    this.session = this.open();
  }

  async ready(): Promise<void> {
    await this.session.ready().catch(() => {
      this.sessionsLost++;
      this.session = this.open();
      return this.session.ready();
    });
  }

  append(stream: string, event: { readonly type: string }, commitId: string): Promise<AppendResult> {
    const append = this.session.append(stream, [event], { commitId });
    // On a busy machine an answer may be late.
    return append.catch(() => this.client.append(stream, [event], { commitId, deadlineMs: appendTimeoutMs }));
  }

  async close(): Promise<void> {
    // All its appends have their results.
    await this.session.close().catch(() => undefined);
    this.client.close();
  }

  private open(): AppendSession {
    return this.client.appendSession({ pendingMax });
  }
}
