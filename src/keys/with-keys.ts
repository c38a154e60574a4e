import type {
  AllRead,
  ConsumeOptions,
  CorrelationHead,
  EventHandler,
  EventRead,
  Groups,
  NewEvent,
  ParkedEvent,
  RecordedEvent,
  SluiceClient,
  StreamHead,
  Subscription,
} from '../client/client';
import type { KeyStore } from './key-store';
import { sealEvents, type Sealing } from './seal-events';
import { SealingSession } from './sealing-session';
import { unsealEvent } from './unseal-event';
import { UnsealedAllRead, UnsealedRead, UnsealedSubscription } from './unsealed-reads';

export interface WithKeysOptions {
  /**
   * The data subject of an event that is appended, whose key encrypts its payload; undefined: the event is stored as it is. `encryptFor`
   * of an event takes precedence. Left out: only events with `encryptFor` are encrypted.
   */
  readonly subjectOf?: ((event: NewEvent, stream: string) => string | undefined) | undefined;
}

/**
 * A client that encrypts the payloads of events before it sends them, each under the key of its data subject, and decrypts them where it
 * reads events: reads, subscriptions, consumer groups and their parked events.
 *
 *     await using keys = await openKeyFolder('/var/lib/shop/keys');
 *     const client = withKeys(connect('127.0.0.1:50051'), keys);
 *     await client.append('customer.42', [{ ...jsonEvent('Registered', { name: 'Ada' }), encryptFor: 'customer-42' }]);
 *     await keys.forget('customer-42'); // from now on, its events have `forgotten` instead of `data`
 *
 * Only the payload is encrypted: not the event's type, ids, tags and metadata, and not the names of stream and subject.
 *
 * Its calls fail like those of `client`, and with KeyError, and with a TypeError for a subject that is not 1 to 128 visible ASCII
 * characters. A loop that fails with KeyError has not skipped an event: a later loop over the same subscription, and a read from `cursor`,
 * begin with the event that could not be decrypted. In a consumer group, such an event counts as failed and is retried.
 *
 * Closing the client closes `client`, but not `keys`.
 */
export function withKeys(
  client: SluiceClient,
  keys: KeyStore,
  { subjectOf }: WithKeysOptions = {},
): SluiceClient {
  const sealing: Sealing = { keys, subjectOf };
  return {
    ...client,
    async append(stream, events, options = {}) {
      const [sealed] = await sealEvents(sealing, [{ stream, events }], options.commitId);
      options.signal?.throwIfAborted();
      return client.append(stream, sealed?.events ?? [], options);
    },
    async appendMulti(appends, options = {}) {
      const sealed = await sealEvents(sealing, appends, options.commitId);
      options.signal?.throwIfAborted();
      return client.appendMulti(sealed, options);
    },
    appendSession: (options = {}) => new SealingSession(sealing, client.appendSession(options), options),
    readStream: (stream, options): EventRead<StreamHead> =>
      new UnsealedRead(keys, client.readStream(stream, options)),
    readByCorrelation: (id, options): EventRead<CorrelationHead> =>
      new UnsealedRead(keys, client.readByCorrelation(id, options)),
    readAll: (options): AllRead => new UnsealedAllRead(keys, client.readAll(options)),
    subscribe: (options): Subscription => new UnsealedSubscription(keys, client.subscribe(options)),
    groups: unsealedGroups(keys, client.groups),
    consume: (group, handler, options) => consume(client, keys, { group, handler: handler, options }),
  };
}

function unsealedGroups(keys: KeyStore, groups: Groups): Groups {
  return {
    ...groups,
    async *listParked(group, options): AsyncGenerator<ParkedEvent, void> {
      for await (const parked of groups.listParked(group, options)) {
        const { event } = parked;
        yield event === undefined ? parked : { ...parked, event: await unsealEvent(keys, event) };
      }
    },
  };
}

interface Consumption {
  readonly group: string;
  readonly handler: EventHandler;
  readonly options: ConsumeOptions | undefined;
}

function consume(
  client: SluiceClient,
  keys: KeyStore,
  { group, handler, options }: Consumption,
): Promise<void> {
  const unsealed = new WeakMap<RecordedEvent, RecordedEvent>();
  const handle: EventHandler = async (event, context) => {
    const plain = await unsealEvent(keys, event);
    unsealed.set(event, plain);
    await handler(plain, context);
  };
  const onFailed = options?.onFailed;
  if (onFailed === undefined) return client.consume(group, handle, options);
  return client.consume(group, handle, {
    ...options,
    onFailed(error, event) {
      onFailed(error, unsealed.get(event) ?? event);
    },
  });
}
