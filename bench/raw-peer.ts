import {
  connect,
  createInbox,
  consumerOpts,
  type ConsumerOptsBuilder,
  type JetStreamClient,
  type Msg,
  type NatsConnection,
} from 'nats';
import { CommitRecord, type Event } from '../generated/sluice/v1/event';
import { newEvents } from './events';
import type { Peer } from './peer';

/* eslint-disable @typescript-eslint/no-deprecated -- the ordered push consumer, which is the fastest that `nats` has */

/** Where the raw peer appends: a JetStream stream with the settings of a store, so that the replica has no part in it. */
export const rawStore = { name: 'RAW', prefix: 'raw', replicas: 1 } as const;
/** Where it reads: the same messages that the gateway reads. */
const store = { name: 'EVENTS', prefix: 'es' } as const;
const directGet = `$JS.API.DIRECT.GET.${store.name}`;
/** More events than any stream has here: the server ends a batch by bytes. */
const batch = 100_000;

/**
 * The simplest hand-written client with the `nats` package: `js.publish` with the expected last sequence of the subject, batched
 * Direct Get for reads, a single Direct Get for the last message. No commit ids, no index, no limits.
 */
export async function rawPeer(url: string): Promise<Peer> {
  const connection = await connect({ servers: url, noAsyncTraces: true });
  const jetstream = connection.jetstream();
  const sequences = new Map<string, number>();
  return {
    append: (stream, events, version) =>
      append(jetstream, sequences, stream, encodeCommit(stream, events, version)),
    async appendMulti(streams, version) {
      const all = streams.map((stream) =>
        append(jetstream, sequences, stream, encodeCommit(stream, newEvents(1), version)),
      );
      await Promise.all(all);
    },
    async read(stream, range) {
      if (range !== 'all') throw new Error('the raw peer reads whole streams only');
      return readAll(connection, `${store.prefix}.${stream}`);
    },
    async version(stream) {
      const lookup = JSON.stringify({ last_by_subj: `${store.prefix}.${stream}` });
      const { headers } = await connection.request(directGet, lookup);
      return Number(headers?.get('Sluice-Version'));
    },
    correlation: () => Promise.reject(new Error('NATS has no index')),
    async catchUp(pattern, events) {
      let left = events;
      const options = orderedConsumer(store.name).deliverAll();
      const messages = await jetstream.subscribe(`${store.prefix}.${pattern}`, options);
      for await (const message of messages) {
        left -= CommitRecord.decode(message.data).events.length;
        if (left <= 0) break;
      }
    },
    async follow(pattern, onEvent) {
      const options = orderedConsumer(rawStore.name).deliverNew();
      options.callback((_error, message) => {
        if (message === null) return;
        for (const { id } of CommitRecord.decode(message.data).events) onEvent(id);
      });
      const messages = await jetstream.subscribe(`${rawStore.prefix}.${pattern}`, options);
      return () => {
        messages.unsubscribe();
      };
    },
  };
}

function orderedConsumer(stream: string): ConsumerOptsBuilder {
  return consumerOpts().orderedConsumer().bindStream(stream);
}

async function append(
  jetstream: JetStreamClient,
  sequences: Map<string, number>,
  stream: string,
  commit: Uint8Array,
): Promise<void> {
  const expect = { lastSubjectSequence: sequences.get(stream) ?? 0 };
  const { seq } = await jetstream.publish(`${rawStore.prefix}.${stream}`, commit, { expect });
  sequences.set(stream, seq);
}

function encodeCommit(stream: string, events: readonly Event[], version: number): Uint8Array {
  const recorded = events.map((event, index) => ({
    ...event,
    stream,
    version: BigInt(version + index + 1),
    position: 0n,
    commitTime: undefined,
    erased: false,
  }));
  return CommitRecord.encode({ events: recorded }).finish();
}

async function readAll(connection: NatsConnection, subject: string): Promise<number> {
  let count = 0;
  for (let next = 1, more = true; more;) {
    let last: Msg | undefined;
    more = await request(connection, { seq: next, next_by_subj: subject, batch }, (message) => {
      count += CommitRecord.decode(message.data).events.length;
      last = message;
    });
    next = Number(last?.headers?.get('Nats-Sequence')) + 1;
  }
  return count;
}

/** Requests a batch, passes each message to `take`, and resolves with whether more messages follow. */
function request(
  connection: NatsConnection,
  lookup: { readonly seq: number; readonly next_by_subj: string; readonly batch: number },
  take: (message: Msg) => void,
): Promise<boolean> {
  const reply = createInbox();
  return new Promise((resolve, reject) => {
    const settle = (then: () => void): void => {
      subscription.unsubscribe();
      clearTimeout(timer);
      then();
    };
    const timer = setTimeout(settle, 10_000, () => {
      reject(new Error('no response to a Direct Get'));
    });
    const subscription = connection.subscribe(reply, {
      callback: (error, message) => {
        // Only the end of a batch, or an empty result, has no body.
        if (error === null && message.data.length > 0) {
          take(message);
          return;
        }
        settle(() => {
          const code = message.headers?.code;
          if (error === null && (code === 204 || code === 404)) {
            resolve(code === 204 && message.headers?.get('Nats-Num-Pending') !== '0');
          } else {
            reject(error ?? new Error(`status ${String(code)} for a Direct Get`));
          }
        });
      },
    });
    connection.publish(directGet, JSON.stringify(lookup), { reply });
  });
}
