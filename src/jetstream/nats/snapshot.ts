import type { StreamConfig, StreamInfo } from './api';
import { callApi } from './api';
import type { Link, PushedMessage } from './link';
import { uniqueInbox } from './unique-names';

/** A snapshot of a stream, as nats-server sends it. It ends with the last message that the stream had when it was requested. */
export interface Snapshot {
  readonly config: StreamConfig;
  /** Of the messages in the snapshot. */
  readonly state: StreamInfo['state'];
  /** Its bytes, in order. The server waits while they are not taken. Ends with an error unless it is complete. */
  readonly chunks: AsyncGenerator<Uint8Array, void>;
  /** Ends a snapshot whose chunks are not read to the end. */
  readonly close: () => void;
}

/** The snapshot could not be taken, or was not received as a whole. */
export class SnapshotError extends Error {}

const chunkBytes = 256 << 10;
/** What the server sends before it waits for an acknowledgement. */
const windowBytes = 8 << 20;
/** The server ends a snapshot that gets no acknowledgement for 5 seconds. */
const silenceMaxMs = 10_000;
/** The status of the message that ends a complete snapshot; 0 if the snapshot is a single chunk. */
const complete = [0, 204];

/** Requests a snapshot of a stream, without its consumers. Throws SnapshotError and errors of the API. */
export async function requestSnapshot(link: Link, name: string, timeoutMs: number): Promise<Snapshot> {
  const deliveries = new Deliveries(link);
  const request = {
    deliver_subject: deliveries.subject,
    no_consumers: true,
    chunk_size: chunkBytes,
    window_size: windowBytes,
  };
  try {
    // A request that is sent twice would begin two snapshots.
    const once = { timeoutMs, repeatMs: timeoutMs };
    const { config, state } = await callApi<StreamInfo>(link, `STREAM.SNAPSHOT.${name}`, request, once);
    const close = (): void => {
      deliveries.close();
    };
    return { config, state, chunks: chunksOf(link, deliveries), close };
  } catch (error) {
    deliveries.close();
    throw error;
  }
}

async function* chunksOf(link: Link, deliveries: Deliveries): AsyncGenerator<Uint8Array, void> {
  try {
    for (let index = 1; ; index++) {
      const { status, headers, body, reply } = await deliveries.next();
      if (body.length === 0) {
        if (complete.includes(status)) return;
        const reason = headers.slice('NATS/1.0 '.length, headers.indexOf('\r\n'));
        throw new SnapshotError(`nats-server ended the snapshot: ${reason}`);
      }
      // The last chunk has no reply subject.
      if (reply !== '' && !reply.endsWith(`.${body.length.toString()}.${index.toString()}`))
        throw new SnapshotError('a part of the snapshot was lost in transit');
      yield body;
      if (reply !== '') link.publish(reply, new Uint8Array(0), {});
    }
  } finally {
    deliveries.close();
  }
}

/** What arrives on a subject; the window bounds what waits. */
class Deliveries {
  readonly subject = uniqueInbox();
  private readonly waiting: PushedMessage[] = [];
  private failure: Error | undefined;
  private wake: () => void = () => undefined;
  private readonly ends: (() => void)[];

  constructor(link: Link) {
    this.ends = [
      link.subscribe(this.subject, (message) => {
        this.waiting.push({
          status: message.status,
          headers: message.headers,
          body: message.body.slice(),
          subject: message.subject,
          reply: message.reply,
        });
        this.wake();
      }),
      link.onChange(() => {
        if (!link.connected) this.fail('the connection to NATS was lost');
      }),
    ];
  }

  async next(): Promise<PushedMessage> {
    const timer = setTimeout(() => {
      this.fail('nats-server has sent nothing for too long');
    }, silenceMaxMs);
    try {
      while (this.waiting.length === 0 && this.failure === undefined)
        await new Promise<void>((resolve) => (this.wake = resolve));
    } finally {
      clearTimeout(timer);
    }
    const message = this.waiting.shift();
    if (message !== undefined) return message;
    throw this.failure as Error;
  }

  close(): void {
    for (const end of this.ends.splice(0)) end();
    this.fail('the snapshot was given up');
  }

  private fail(message: string): void {
    this.failure ??= new SnapshotError(message);
    this.wake();
  }
}
