import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SpanKind, SpanStatusCode, trace, type Attributes } from '@opentelemetry/api';
import { InMemorySpanExporter, SimpleSpanProcessor, type ReadableSpan } from '@opentelemetry/sdk-trace-base';
import { NodeTracerProvider } from '@opentelemetry/sdk-trace-node';
import { connect, VersionConflictError, type SluiceClient } from '../../src/client/client';
import { makeAuthFile } from '../support/access';
import { startTestGateway } from '../support/gateway';
import { startNats, until, type TestNats } from '../support/nats-server';
import { natsServerPath } from '../support/tools';
import { connectWire } from '../support/wire-client';

const exporter = new InMemorySpanExporter();
const provider = new NodeTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] });
const folder = mkdtempSync(join(tmpdir(), 'sluice-traces-'));
beforeAll(() => {
  provider.register();
});
beforeEach(() => {
  exporter.reset();
});
afterAll(async () => {
  trace.disable();
  await provider.shutdown();
  rmSync(folder, { recursive: true, force: true });
});

const rpc = (name: string): string => `sluice.v1.EventStoreService/${name}`;
const tracer = trace.getTracer('test');
const event = { type: 'A', data: 'x' };

/** Runs work within a span of its own, and gives all spans of its trace once `wanted` of them have ended. */
async function traceOf(wanted: number, work: () => Promise<unknown>): Promise<readonly ReadableSpan[]> {
  const traceId = await tracer.startActiveSpan('work', async (span) => {
    await work();
    span.end();
    return span.spanContext().traceId;
  });
  const found = (): ReadableSpan[] =>
    exporter.getFinishedSpans().filter((span) => span.spanContext().traceId === traceId);
  await until(() => found().length >= wanted);
  return found();
}

/** The spans as a tree: their names, each below its parent. */
function treeOf(spans: readonly ReadableSpan[], parent?: string): object {
  const children = spans.filter((span) => span.parentSpanContext?.spanId === parent);
  return Object.fromEntries(
    children.map((span) => [`${SpanKind[span.kind]} ${span.name}`, treeOf(spans, span.spanContext().spanId)]),
  );
}

function attributesOf(spans: readonly ReadableSpan[], name: string, kind = SpanKind.SERVER): Attributes {
  const span = spans.find((one) => one.name === name && one.kind === kind);
  if (span === undefined) throw new Error(`no span ${name}`);
  return span.attributes;
}

async function withClient(test: (client: SluiceClient, nats: TestNats) => Promise<void>): Promise<void> {
  await using nats = await startNats();
  await using gateway = await startTestGateway([nats.url]);
  using client = connect(gateway.address);
  await test(client, nats);
}

test('an append is one trace over client, gateway, publish and sync', async () => {
  const args = [`--data-dir=${folder}`, `--nats-server=${natsServerPath()}`];
  await using gateway = await startTestGateway([], args);
  using client = connect(gateway.address, { metadata: { 'x-request-id': 'r-1' } });
  const spans = await traceOf(5, () => client.append('order.1', [event, event]));
  expect(treeOf(spans)).toEqual({
    'INTERNAL work': {
      [`CLIENT ${rpc('Append')}`]: {
        [`SERVER ${rpc('Append')}`]: { 'PRODUCER publish': {}, 'INTERNAL sync': {} },
      },
    },
  });
  const call = { 'rpc.system': 'grpc', 'rpc.service': 'sluice.v1.EventStoreService', 'rpc.method': 'Append' };
  expect(attributesOf(spans, rpc('Append'), SpanKind.CLIENT)).toEqual({ ...call, 'rpc.grpc.status_code': 0 });
  expect(attributesOf(spans, rpc('Append'))).toEqual({
    ...call,
    'rpc.grpc.status_code': 0,
    'network.peer.address': expect.stringContaining('127.0.0.1:') as unknown,
    'sluice.request_id': 'r-1',
    'sluice.stream': 'order.1',
    'sluice.events': 2,
    'sluice.position': 1,
  });
  expect(attributesOf(spans, 'publish', SpanKind.PRODUCER)).toEqual({
    'messaging.system': 'nats',
    'messaging.operation.type': 'send',
    'messaging.operation.name': 'publish',
    'messaging.destination.name': 'EVENTS',
    'messaging.batch.message_count': 1,
    'messaging.message.body.size': expect.any(Number) as unknown,
    'sluice.outcome': 'stored',
  });
}, 60_000);

test('an append that waits for another one, and one that conflicts, show it', () =>
  withClient(async (client, nats) => {
    await client.append('a.1', [event]);
    nats.pause();
    const first = client.append('a.1', [event]);
    const waiting = traceOf(6, () => client.append('a.1', [event], { expectedVersion: 77 }).catch(() => 0));
    await new Promise((resolve) => setTimeout(resolve, 200));
    nats.resume();
    await first;
    const spans = await waiting;
    expect(treeOf(spans)).toEqual({
      'INTERNAL work': {
        [`CLIENT ${rpc('Append')}`]: {
          [`SERVER ${rpc('Append')}`]: {
            'INTERNAL wait for turn': {},
            'INTERNAL look up': {},
            'INTERNAL catch up': {},
          },
        },
      },
    });
    expect(attributesOf(spans, rpc('Append'))).toMatchObject({
      'rpc.grpc.status_code': 10,
      'error.type': 'VERSION_CONFLICT',
    });
    const status = (kind: SpanKind): unknown =>
      spans.find((span) => span.name === rpc('Append') && span.kind === kind)?.status.code;
    // The caller is to blame.
    expect([status(SpanKind.SERVER), status(SpanKind.CLIENT)]).toEqual([
      SpanStatusCode.UNSET,
      SpanStatusCode.ERROR,
    ]);
  }));

test('a read shows how it catches up and reads pages', () =>
  withClient(async (client) => {
    for (let i = 0; i < 20; i++)
      await client.append(
        `b.${i % 3}`,
        Array.from({ length: 100 }, () => ({ ...event, data: 'x'.repeat(2_000) })),
      );
    const spans = await traceOf(5, async () => {
      for await (const { type } of client.readAll({ patterns: ['b.*'] })) expect(type).toBe('A');
    });
    expect(treeOf(spans)).toEqual({
      'INTERNAL work': {
        [`CLIENT ${rpc('ReadAll')}`]: {
          [`SERVER ${rpc('ReadAll')}`]: { 'INTERNAL catch up': {}, 'INTERNAL read pages': {} },
        },
      },
    });
    expect(attributesOf(spans, rpc('ReadAll'))).toMatchObject({ 'sluice.patterns': 'b.*' });
    expect(attributesOf(spans, 'read pages', SpanKind.INTERNAL)).toMatchObject({ 'sluice.events': 2_000 });
    const short = await traceOf(4, async () => {
      for await (const { stream } of client.readStream('b.1', { maxCount: 3 })) expect(stream).toBe('b.1');
    });
    expect(attributesOf(short, rpc('ReadStream'))).toMatchObject({
      'sluice.stream': 'b.1',
      'sluice.events': 3,
    });
  }));

test('a subscription that its caller cancels has its spans', () =>
  withClient(async (client) => {
    await client.append('c.1', [event]);
    const spans = await traceOf(4, async () => {
      for await (const { stream } of client.subscribe({ stream: 'c.1' })) {
        expect(stream).toBe('c.1');
        break;
      }
    });
    expect(treeOf(spans)).toEqual({
      'INTERNAL work': {
        [`CLIENT ${rpc('Subscribe')}`]: { [`SERVER ${rpc('Subscribe')}`]: { 'INTERNAL catch up': {} } },
      },
    });
    const cancelled = { 'rpc.grpc.status_code': 1 };
    expect(attributesOf(spans, rpc('Subscribe'))).toMatchObject({ ...cancelled, 'error.type': 'CANCELLED' });
    expect(attributesOf(spans, rpc('Subscribe'), SpanKind.CLIENT)).toMatchObject(cancelled);
  }));

const append = `${rpc('AppendSession')} append`;

/** The spans of appends of sessions on one side, in the order of the appends. */
function appendsOf(spans: readonly ReadableSpan[], kind: SpanKind): ReadableSpan[] {
  return spans.filter((span) => span.name === append && span.kind === kind);
}

test('each append of a session is in the trace of its caller, with a link to the session', () =>
  withClient(async (client) => {
    const spans = await traceOf(9, async () => {
      await using session = client.appendSession();
      const refused = session.append('d.1', [event], { expectedVersion: 7 });
      await expect(refused).rejects.toThrow(VersionConflictError);
      await session.append('d.1', [event]);
    });
    const session = spans.find(({ name, kind }) => name === rpc('AppendSession') && kind === SpanKind.SERVER);
    const [sent, served] = [SpanKind.CLIENT, SpanKind.SERVER].map((kind) => appendsOf(spans, kind));
    const work = spans.find(({ name }) => name === 'work')?.spanContext().spanId;
    const codes = (some: readonly ReadableSpan[] = []): unknown[] =>
      some.map(({ attributes }) => attributes['rpc.grpc.status_code']);
    expect([codes(sent), codes(served)]).toEqual([
      [10, 0],
      [10, 0],
    ]);
    for (const [index, span] of served?.entries() ?? []) {
      expect(span.links.map(({ context }) => context)).toEqual([session?.spanContext()]);
      expect(span.parentSpanContext?.spanId).toBe(sent?.[index]?.spanContext().spanId);
      expect(sent?.[index]?.parentSpanContext?.spanId).toBe(work);
      const parts = treeOf(spans, span.spanContext().spanId);
      expect(parts).toHaveProperty(index === 0 ? ['INTERNAL look up'] : ['PRODUCER publish'], {});
    }
  }));

test('an append of a session of another client: in the trace that it names, else in one of its own', async () => {
  await using nats = await startNats();
  await using gateway = await startTestGateway([nats.url]);
  using wire = connectWire(gateway.address);
  const call = wire.duplex('AppendSession').on('data', () => undefined);
  const [traceId, spanId] = ['0af7651916cd43dd8448eb211c80319c', 'b7ad6b7169203331'];
  const contexts = [
    { traceparent: `00-${traceId}-${spanId}-01`, tracestate: 'vendor=1' },
    { traceparent: 'nonsense' },
    undefined,
  ];
  for (const trace_context of contexts)
    call.write({ appends: [{ append: { stream: 'f.1', events: [{ type: 'A' }] }, trace_context }] });
  call.end();
  await once(call, 'end');
  const served = (): ReadableSpan[] => appendsOf(exporter.getFinishedSpans(), SpanKind.SERVER);
  await until(() => served().length === contexts.length);
  const [named, ...own] = served();
  expect(named?.parentSpanContext).toMatchObject({ traceId, spanId, isRemote: true });
  expect(named?.spanContext().traceState?.get('vendor')).toBe('1');
  for (const span of own) expect(span.parentSpanContext).toBeUndefined();
  expect(new Set(served().map((span) => span.spanContext().traceId)).size).toBe(contexts.length);
});

test('the appends of a session that breaks have their spans', async () => {
  await using nats = await startNats();
  await using gateway = await startTestGateway([nats.url]);
  using client = connect(gateway.address);
  const spans = await traceOf(3, async () => {
    const stop = new AbortController();
    const session = client.appendSession({ signal: stop.signal });
    await session.append('g.1', [event]);
    nats.pause();
    const broken = expect(session.append('g.1', [event])).rejects.toThrow('enough');
    await new Promise((resolve) => setTimeout(resolve, 100));
    stop.abort(new Error('enough'));
    await broken;
    nats.resume();
  });
  const codes = appendsOf(spans, SpanKind.CLIENT).map(({ attributes }) => attributes['rpc.grpc.status_code']);
  expect(codes).toEqual([0, 1]);
});

test('a call that is refused has a span', async () => {
  const file = makeAuthFile({ writer: {} });
  file.write({ writer: {} });
  await using nats = await startNats();
  await using gateway = await startTestGateway([nats.url], [`--auth-file=${file.path}`]);
  using client = connect(gateway.address, { token: 'nobody' });
  const spans = await traceOf(3, () => client.getVersion('a.1').catch(() => 0));
  expect(attributesOf(spans, rpc('GetVersion'))).toMatchObject({
    'rpc.grpc.status_code': 16,
    'error.type': 'UNAUTHENTICATED',
  });
});

test('events keep the context that they were appended in, if the client is asked to, and a repetition is recognized', async () => {
  await using nats = await startNats();
  await using gateway = await startTestGateway([nats.url]);
  using client = connect(gateway.address, { recordTraceContext: true });
  using plain = connect(gateway.address);
  const commitId = '01a21106-c38b-74b8-aa9c-0f93f136a250';
  const own = { ...event, metadata: { traceparent: 'mine' } };
  const spans = await traceOf(3, () => client.append('e.1', [event, own], { commitId }));
  const again = await tracer.startActiveSpan('another', async (span) => {
    span.end();
    return client.append('e.1', [event, own], { commitId });
  });
  expect(again.replayed).toBe(true);
  await plain.append('e.1', [event]);
  await client.append('e.1', [event]); // without an active span
  const { traceId, spanId } = (spans.find(({ name }) => name === 'work') as ReadableSpan).spanContext();
  const metadata: object[] = [];
  for await (const read of client.readStream('e.1')) metadata.push(Object.fromEntries(read.metadata));
  expect(metadata).toEqual([{ traceparent: `00-${traceId}-${spanId}-01` }, { traceparent: 'mine' }, {}, {}]);
});
