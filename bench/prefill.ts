import { connect } from 'nats';
import { headerBytesMax, toMessages } from '../src/jetstream/log/commit-codec';
import { encodeEvent } from '../src/jetstream/append/encode-event';
import { createLink, type Link } from '../src/jetstream/nats/link';
import { publishAtomically, type OutgoingMessage } from '../src/jetstream/nats/publish';
import { uuidV7 } from '../src/uuid';
import { parseStreamName, sequence, version, type CommitId } from '../src/store/values';
import { newEvents } from './events';

/** A commit to write into the store. */
export interface PlannedCommit {
  readonly stream: string;
  readonly events: number;
  readonly correlationId?: string;
}

const inFlightDefault = 1_000;
const timeoutMs = 30_000;

/**
 * Fills a new store fast: publishes commits in the format of Sluice, without waiting for each. No other process may write
 * meanwhile, because the positions are computed in advance. `inFlightMax`: a log on three servers refuses a commit while another one of
 * its stream is in flight.
 */
export async function prefill(
  natsUrl: string,
  commits: Iterable<PlannedCommit>,
  inFlightMax = inFlightDefault,
): Promise<void> {
  const link = createLink(await connect({ servers: natsUrl, noAsyncTraces: true }));
  const heads = new Map<string, { version: number; sequence: number }>();
  let sequence = 0;
  let inFlight: Promise<void>[] = [];
  for (const commit of commits) {
    const head = heads.get(commit.stream) ?? { version: 0, sequence: 0 };
    inFlight.push(store(link, toMessage(link, commit, head), ++sequence));
    heads.set(commit.stream, { version: head.version + commit.events, sequence });
    if (inFlight.length < inFlightMax) continue;
    await Promise.all(inFlight);
    inFlight = [];
  }
  await Promise.all(inFlight);
  await link.close();
}

function toMessage(
  link: Link,
  { stream, events, correlationId }: PlannedCommit,
  head: { readonly version: number; readonly sequence: number },
): OutgoingMessage {
  const name = parseStreamName(stream);
  if (name === undefined) throw new Error(`not a stream name: ${stream}`);
  const encoded = newEvents(events, correlationId).map((event) => ({ bytes: encodeEvent(name, event) }));
  const commit = {
    firstVersion: version(BigInt(head.version + 1)),
    previous: sequence(BigInt(head.sequence)),
    commitId: uuidV7() as CommitId,
  };
  const [message, more] = toMessages(`es.${stream}`, encoded, commit, link.maxPayloadBytes - headerBytesMax);
  if (message === undefined || more !== undefined) throw new Error('a commit does not fit into one message');
  return message;
}

async function store(link: Link, message: OutgoingMessage, sequence: number): Promise<void> {
  const outcome = await publishAtomically(link, [message], { timeoutMs });
  if (outcome.kind !== 'stored' || outcome.sequence !== BigInt(sequence)) {
    throw new Error(`a commit was not stored as ${sequence}: ${outcome.kind}`);
  }
}
