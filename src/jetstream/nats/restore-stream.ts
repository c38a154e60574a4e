import { callApi, parseAnswer, type StreamConfig, type StreamInfo } from './api';
import { NoRespondersError } from './errors';
import type { Link } from './link';
import { SnapshotError } from './snapshot';

/** What is sent to nats-server to restore a stream. */
export interface StreamRestore {
  /** The configuration that the stream gets. */
  readonly config: StreamConfig;
  /** Of the messages in the snapshot. */
  readonly state: StreamInfo['state'];
  /** The bytes of the snapshot. */
  readonly chunks: AsyncIterable<Uint8Array>;
  /** Gets the bytes that the server has taken so far. */
  readonly onTaken: (bytes: number) => void;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

/** Chunks that are sent before the first of them is acknowledged. */
const chunksUnderWayMax = 16;
/** The server waits for the disk, and fills followers at the end. */
const chunkTimeoutMs = 60_000;

/**
 * Creates a stream from a snapshot. If it fails after the server has begun, a part of the stream may exist, and takes messages: the
 * caller must choose subjects on which nobody publishes. Throws SnapshotError and errors of the API.
 */
export async function restoreStream(link: Link, restore: StreamRestore): Promise<StreamInfo> {
  const { config, state, chunks, signal, timeoutMs } = restore;
  const { deliver_subject: subject } = await callApi<{ readonly deliver_subject: string }>(
    link,
    `STREAM.RESTORE.${config.name}`,
    { config, state },
    { timeoutMs, repeatMs: timeoutMs },
  );
  const underWay: Promise<void>[] = [];
  let taken = 0;
  try {
    for await (const chunk of chunks) {
      signal.throwIfAborted();
      const sent = send(link, subject, chunk).then(() => {
        restore.onTaken((taken += chunk.length));
      });
      underWay.push(sent);
      if (underWay.length >= chunksUnderWayMax) await underWay.shift();
    }
  } finally {
    await Promise.allSettled(underWay);
  }
  await Promise.all(underWay);
  signal.throwIfAborted();
  const { body } = await link.request(subject, '', { timeoutMs: chunkTimeoutMs });
  const answer = parseAnswer<StreamInfo>(body);
  if (answer.error !== undefined) throw answer.error;
  return answer.value;
}

/** Sends a chunk; resolves when the server has taken it. */
async function send(link: Link, subject: string, chunk: Uint8Array): Promise<void> {
  try {
    const { body } = await link.request(subject, chunk, { timeoutMs: chunkTimeoutMs });
    const error = body.length === 0 ? undefined : parseAnswer(body).error;
    if (error !== undefined) throw error;
  } catch (error) {
    if (!(error instanceof NoRespondersError)) throw error;
    throw new SnapshotError('nats-server has ended the restore', { cause: error });
  }
}
