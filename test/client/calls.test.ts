import { getEventListeners } from 'node:events';
import {
  connect,
  DeadlineExceededError,
  InvalidRequestError,
  OverloadedError,
  UnavailableError,
  type RecordedEvent,
  type SluiceClient,
} from '../../src/client/client';
import { startSluice } from '../cli/process';
import { startTestGateway } from '../support/gateway';
import { freePorts } from '../support/free-ports';
import { startNats, until, type TestNats } from '../support/nats-server';
import { all, failureOf } from './outcomes';

/** Deadlines, signals, backpressure and connections. */
const event = { type: 'Happened' };

async function withClient(
  test: (client: SluiceClient, nats: TestNats) => Promise<void>,
  args: readonly string[] = [],
): Promise<void> {
  await using nats = await startNats();
  await using gateway = await startTestGateway([nats.url], args);
  using client = connect(gateway.address);
  await test(client, nats);
}

interface Options {
  readonly signal?: AbortSignal;
  readonly deadlineMs?: number;
}

/** Each kind of call once, with the same options. */
function everyCall(client: SluiceClient, options: Options): Promise<unknown>[] {
  return [client.append('any.1', [event], options), ...everyQuestion(client, options)];
}

function everyQuestion(client: SluiceClient, options: Options): Promise<unknown>[] {
  return [
    client.getVersion('any.1', options),
    client.serverInfo(options),
    all(client.readStream('any.1', options)),
    all(client.readByCorrelation('any', options)),
    all(client.listStreams(options)),
  ];
}

describe('a signal', () => {
  test('that has aborted fails every call at once with its reason', () =>
    withClient(async (client) => {
      const reason = new Error('changed my mind');
      const errors = await Promise.all(
        everyCall(client, { signal: AbortSignal.abort(reason) }).map(failureOf),
      );
      for (const error of errors) expect(error).toBe(reason);
      expect(await all(client.listStreams())).toEqual([]);
    }));

  test('that aborts ends the pending calls with its reason, and keeps no listener', () =>
    withClient(async (client, nats) => {
      await client.append('any.1', [event]);
      nats.pause();
      const controller = new AbortController();
      const { signal } = controller;
      const errors = everyCall(client, { signal }).map(failureOf);
      await until(() => getEventListeners(signal, 'abort').length === errors.length);
      controller.abort();
      for (const error of await Promise.all(errors)) expect(error).toBe(signal.reason);
      expect(getEventListeners(signal, 'abort')).toEqual([]);
      nats.resume();
    }));

  test('ends a read between two events that have arrived', () =>
    withClient(async (client) => {
      await client.append('any.1', [event, event, event]);
      const controller = new AbortController();
      const seen: bigint[] = [];
      const read = async (): Promise<void> => {
        for await (const { version } of client.readStream('any.1', { signal: controller.signal })) {
          seen.push(version);
          if (version === 2n) controller.abort('enough');
        }
      };
      expect(await failureOf(read())).toBe('enough');
      expect(seen).toEqual([1n, 2n]);
    }));

  test('that does not abort keeps no listener when the calls have ended', () =>
    withClient(async (client) => {
      const { signal } = new AbortController();
      await Promise.all(everyCall(client, { signal }));
      await failureOf(client.getVersion('no name', { signal }));
      expect(getEventListeners(signal, 'abort')).toEqual([]);
    }));
});

test('a signal may be shared by many calls', () =>
  withClient(async (client) => {
    const warnings: string[] = [];
    const warn = ({ name }: Error): number => warnings.push(name);
    process.on('warning', warn);
    const { signal } = new AbortController();
    await Promise.all(Array.from({ length: 5 }, () => everyCall(client, { signal })).flat());
    await new Promise(setImmediate);
    process.off('warning', warn);
    expect(warnings).not.toContain('MaxListenersExceededWarning');
  }));

describe('a deadline', () => {
  // An append whose deadline passes may be in doubt: see errors.test.ts.
  test('of the call ends it', () =>
    withClient(async (client, nats) => {
      nats.pause();
      const errors = await Promise.all(everyQuestion(client, { deadlineMs: 400 }).map(failureOf));
      nats.resume();
      for (const error of errors) {
        expect(error).toBeInstanceOf(DeadlineExceededError);
        expect(error).toMatchObject({ code: 'DEADLINE_EXCEEDED', status: 4 });
      }
    }));

  test('of the client holds for calls with a single response that have no deadline', async () => {
    await using nats = await startNats();
    await using gateway = await startTestGateway([nats.url]);
    using client = connect(gateway.address, { deadlineMs: 400 });
    nats.pause();
    const error = await failureOf(client.getVersion('any.1'));
    nats.resume();
    expect(error).toBeInstanceOf(DeadlineExceededError);
  });

  test('may be longer than any timer, but must be a duration', () =>
    withClient(async (client) => {
      for (const deadlineMs of [Infinity, 2 ** 31, 10_000]) {
        await Promise.all(everyCall(client, { deadlineMs }));
      }
      for (const deadlineMs of [0, -1, NaN]) {
        const errors = await Promise.all(everyCall(client, { deadlineMs }).map(failureOf));
        for (const error of errors) expect(error).toBeInstanceOf(RangeError);
      }
    }));
});

describe('a read', () => {
  const eventBytes = 900_000;
  const eventCount = 20;

  /** A stream that is too large for the buffers on its way, at a gateway that allows one read at a time. */
  async function withLargeStream(test: (client: SluiceClient) => Promise<void>): Promise<void> {
    const args = ['--reads-max=1'];
    await withClient(async (client) => {
      const large = { type: 'Large', data: new Uint8Array(eventBytes) };
      for (let count = 0; count < eventCount; count++) await client.append('large.1', [large]);
      await test(client);
    }, args);
  }

  const isRefused = (client: SluiceClient): Promise<boolean> =>
    all(client.readStream('other.1')).then(
      () => false,
      (error: unknown) => error instanceof OverloadedError,
    );

  test('waits at the gateway while the loop pauses, and is then complete', () =>
    withLargeStream(async (client) => {
      const versions: bigint[] = [];
      for await (const { version, data } of client.readStream('large.1')) {
        versions.push(version);
        expect(data).toHaveLength(eventBytes);
        if (version === 1n) expect(await isRefused(client)).toBe(true);
      }
      expect(versions).toEqual(Array.from({ length: eventCount }, (_, index) => BigInt(index + 1)));
      await until(async () => !(await isRefused(client)));
    }));

  test('ends at the gateway when the loop is left', () =>
    withLargeStream(async (client) => {
      for await (const { version } of client.readStream('large.1')) {
        expect(version).toBe(1n);
        expect(await isRefused(client)).toBe(true);
        break;
      }
      await until(async () => !(await isRefused(client)));
    }));

  test('ends at the gateway when the loop throws, or its signal aborts', () =>
    withLargeStream(async (client) => {
      const controller = new AbortController();
      const enough = new Error('enough');
      const ends: ((event: RecordedEvent) => void)[] = [
        () => {
          throw enough;
        },
        () => {
          controller.abort(enough);
        },
      ];
      for (const end of ends) {
        const read = async (): Promise<void> => {
          for await (const found of client.readStream('large.1', { signal: controller.signal })) end(found);
        };
        expect(await failureOf(read())).toBe(enough);
        await until(async () => !(await isRefused(client)));
      }
    }));
});

describe('a connection', () => {
  test('is restored when the gateway is back on its port', async () => {
    await using nats = await startNats();
    const [port] = await freePorts(1);
    const args = [`--listen=127.0.0.1:${String(port)}`, `--nats-url=${nats.url}`, '--create-store'];
    using client = connect(`127.0.0.1:${String(port)}`);
    for (const expectedVersion of [0n, 1n]) {
      await using gateway = await startSluice(args);
      await gateway.serving();
      await until(async () => {
        const outcome = await client.getVersion('again.1').catch((error: unknown) => error);
        if (outcome instanceof UnavailableError) return false;
        expect(outcome).toMatchObject({ version: expectedVersion });
        return true;
      });
      await client.append('again.1', [event], { expectedVersion });
    }
    expect(await failureOf(client.getVersion('again.1'))).toBeInstanceOf(UnavailableError);
  });

  test('carries many calls at the same time', () =>
    withClient(async (client) => {
      const calls = Array.from({ length: 200 }, (_, index) => client.append(`many.${index}`, [event]));
      await Promise.all(calls);
      expect(await all(client.listStreams())).toHaveLength(200);
    }));

  test('carries the metadata of the client with every call', async () => {
    await using nats = await startNats();
    await using gateway = await startTestGateway([nats.url]);
    // A gateway refuses larger metadata, which shows that it has arrived.
    using client = connect(gateway.address, { metadata: { 'x-large': 'm'.repeat(17 << 10) } });
    for (const error of await Promise.all(everyCall(client, {}).map(failureOf))) {
      expect(error).toBeInstanceOf(InvalidRequestError);
      expect(error).toMatchObject({ violations: [{ field: 'grpc_metadata' }] });
    }
  });

  test('takes channel options of gRPC', async () => {
    await using nats = await startNats();
    await using gateway = await startTestGateway([nats.url]);
    using client = connect(gateway.address, { channelOptions: { 'grpc.max_receive_message_length': 16 } });
    expect(await failureOf(client.serverInfo())).toMatchObject({ status: 8 });
  });

  test('with metadata that cannot be sent is refused at once', () => {
    expect(() => connect('127.0.0.1:1', { metadata: { 'not a key': '' } })).toThrow(Error);
  });

  test('to a name that cannot be resolved fails', async () => {
    using client = connect('no:such:name');
    expect(await failureOf(client.getVersion('any.1'))).toBeInstanceOf(UnavailableError);
    expect(() => connect('')).toThrow(Error);
  });
});
