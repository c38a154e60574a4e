import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { startTestGateway, type TestGateway } from '../support/gateway';
import { startNats, type TestNats } from '../support/nats-server';
import { grpcurlPath } from '../support/tools';

/** The tools with which people look inside; they know the contract by reflection alone. */
const grpcurl = grpcurlPath();
const buf = join(__dirname, '..', '..', 'node_modules', '.bin', 'buf');
const service = 'sluice.v1.EventStoreService';

let nats: TestNats;
let gateway: TestGateway;

beforeAll(async () => {
  nats = await startNats();
  gateway = await startTestGateway([nats.url]);
});

afterAll(async () => {
  await gateway[Symbol.asyncDispose]();
  await nats[Symbol.asyncDispose]();
});

interface Result {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

function run(program: string, args: readonly string[]): Promise<Result> {
  return new Promise((resolve) => {
    execFile(program, args, { timeout: 30_000 }, (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr });
    });
  });
}

/** Calls a method with JSON. */
type Call = (method: string, request: object) => Promise<Result>;

const withGrpcurl: Call = (method, request) =>
  run(grpcurl ?? '', ['-plaintext', '-d', JSON.stringify(request), gateway.address, method]);
const withBuf: Call = (method, request) =>
  run(buf, [
    'curl',
    ...['--protocol', 'grpc', '--http2-prior-knowledge', '-d', JSON.stringify(request)],
    `http://${gateway.address}/${method}`,
  ]);

const clients: [string, Call, string][] = [
  ...(grpcurl === undefined ? [] : [['grpcurl', withGrpcurl, 'with-grpcurl'] as [string, Call, string]]),
  ['buf curl', withBuf, 'with-buf'],
];

describe.each(clients)('%s', (_name, call, prefix) => {
  const stream = `${prefix}.1`;

  /** The one message of a call that succeeds. */
  async function answer(method: string, request: object): Promise<Record<string, unknown>> {
    const { code, stdout, stderr } = await call(method, request);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    return JSON.parse(stdout) as Record<string, unknown>;
  }

  test('appends text and binary, and reads them as they were written', async () => {
    const events = [
      { id: 'e-1', type: 'Noted', text: '{"total":"9,99 €"}', contentType: 'application/json', tags: ['a'] },
      { id: 'e-2', type: 'Scanned', binary: 'AAEC/w==', correlationId: prefix, metadata: { key: 'value' } },
    ];
    const appended = await answer(`${service}/Append`, { stream, events, expectedVersion: 0 });
    expect(appended).toMatchObject({ version: '2', firstVersion: '1' });
    const { position } = appended;
    expect(await answer(`${service}/ReadStream`, { stream })).toEqual({
      header: expect.objectContaining({ stream, version: '2', position }) as object,
      events: events.map((event, index) => ({
        correlationId: event.id,
        causationId: event.id,
        ...event,
        stream,
        version: (index + 1).toString(),
        position,
        commitTime: expect.stringMatching(/^20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z$/) as string,
      })),
      end: { reason: 'READ_END_REASON_COMPLETE', eventCount: '2' },
    });
    expect(await answer(`${service}/GetVersion`, { stream })).toMatchObject({ version: '2', position });
    expect(await answer(`${service}/ReadByCorrelation`, { correlationId: prefix })).toMatchObject({
      events: [{ id: 'e-2' }],
    });
    expect(await answer(`${service}/ListStreams`, { pattern: `${prefix}.>` })).toMatchObject({
      streams: [{ stream, version: '2' }],
    });
  });

  test('controls a stream, and shows why it cannot', async () => {
    const streams = 'sluice.v1.StreamService';
    const controlled = `${prefix}.controlled`;
    await answer(`${service}/Append`, { stream: controlled, events: [{ type: 'A' }, { type: 'B' }] });
    expect(await answer(`${streams}/TruncateStream`, { stream: controlled, beforeVersion: 2 })).toMatchObject(
      { stream: { version: '2', firstVersion: '2' }, changed: true },
    );
    const retention = { maxCount: '5', maxAge: '3600s' };
    await answer(`${streams}/SetRetention`, { stream: controlled, retention });
    expect(await answer(`${streams}/GetStream`, { stream: controlled })).toMatchObject({
      stream: { state: 'STREAM_STATE_ACTIVE', truncatedBefore: '2', retention },
    });
    const erasure = { stream: controlled, fromVersion: 1, toVersion: 2, reason: 'asked for' };
    expect(await answer(`${streams}/EraseEvents`, erasure)).toMatchObject({
      stream: { erased: [{ fromVersion: '1', toVersion: '2', reason: 'asked for' }] },
      changed: true,
    });
    const split = await call(`${streams}/EraseEvents`, { ...erasure, toVersion: 1 });
    expect(split.stderr).toContain('erase versions 1 to 2');
    await answer(`${streams}/DeleteStream`, { stream: controlled });
    expect(await answer(`${streams}/TombstoneStream`, { stream: controlled })).toMatchObject({
      stream: { state: 'STREAM_STATE_TOMBSTONED' },
    });
    const { stderr } = await call(`${service}/Append`, { stream: controlled, events: [{ type: 'C' }] });
    expect(stderr).toContain(`stream ${controlled} was tombstoned`);
  });

  test('shows a conflict with its typed details', async () => {
    const { code, stdout, stderr } = await call(`${service}/Append`, {
      stream,
      events: [],
      expectedVersion: 7,
    });
    expect(code).not.toBe(0);
    expect(stdout).toBe('');
    expect(stderr).toContain(`stream ${stream} is at version 2, not at the expected 7`);
    expect(stderr).toMatch(
      /"sluice\.v1\.VersionConflict"|type\.googleapis\.com\/sluice\.v1\.VersionConflict/,
    );
    expect(stderr).toMatch(/aborted/i);
  });

  test('shows what is wrong with a request', async () => {
    const { code, stderr } = await call(`${service}/Append`, { stream: 'a b', events: [{}] });
    expect(code).not.toBe(0);
    expect(stderr).toContain('events[0].type: is required');
    expect(stderr).toContain('google.rpc.BadRequest');
  });

  test('shows server info and health', async () => {
    expect(await answer(`${service}/GetServerInfo`, {})).toMatchObject({
      store: { name: 'EVENTS', prefix: 'es' },
      limits: { appendEventsMax: 10_000, appendTimeout: '10s' },
      features: expect.arrayContaining(['append']) as string[],
    });
    expect(await answer('grpc.health.v1.Health/Check', { service })).toEqual({ status: 'SERVING' });
  });
});

const testWithGrpcurl = grpcurl === undefined ? test.skip : test;

testWithGrpcurl('grpcurl lists and describes services, methods and messages', async () => {
  const ask = async (...args: string[]): Promise<string> => {
    const { code, stdout, stderr } = await run(grpcurl ?? '', ['-plaintext', gateway.address, ...args]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    return stdout;
  };
  expect((await ask('list')).trim().split('\n')).toEqual([
    'grpc.health.v1.Health',
    'grpc.reflection.v1.ServerReflection',
    'grpc.reflection.v1alpha.ServerReflection',
    'sluice.v1.ConsumerGroupService',
    service,
    'sluice.v1.StreamService',
  ]);
  expect((await ask('list', service)).trim().split('\n')).toContain(`${service}.Append`);
  const append = 'rpc Append ( .sluice.v1.AppendRequest ) returns ( .sluice.v1.AppendResponse );';
  expect(await ask('describe', service)).toContain(append);
  expect(await ask('describe', `${service}.Append`)).toContain(append);
  expect(await ask('describe', 'sluice.v1.AppendRequest')).toContain('optional uint64 expected_version = 3;');
  const event = await ask('describe', 'sluice.v1.Event');
  const fields = event.replace(/^ *\/\/.*\n/gm, '');
  expect(fields).toMatch(/oneof payload \{\s+bytes binary = 3;\s+string text = 4;\s+\}/);
  expect(event).toContain('map<string, string> metadata = 9;');
  expect(await ask('describe', 'sluice.v1.Direction')).toContain('DIRECTION_BACKWARD = 2;');
  expect(await ask('describe')).toContain('ServerReflectionInfo');

  // With the contract, which the comments are.
  expect(await ask('describe', `${service}.Append`)).toContain(
    '// Append stores events at the end of one stream, atomically. ',
  );
  expect(event).toContain('// Any bytes.\n    bytes binary = 3;');
});

testWithGrpcurl('grpcurl shows every field of a typed detail', async () => {
  const stream = 'grpcurl-details.1';
  const { code, stderr } = await withGrpcurl(`${service}/Append`, { stream, events: [], expectedVersion: 7 });
  expect(code).toBe(64 + 10);
  const detail = stderr.split(/^ {2}\d\)\t/m).find((text) => text.includes('sluice.v1.VersionConflict'));
  expect(JSON.parse(detail ?? '')).toEqual({
    '@type': 'type.googleapis.com/sluice.v1.VersionConflict',
    stream,
    expectedVersion: '7',
  });
});

test.each(['grpc-v1', 'grpc-v1alpha'])('buf curl lists methods over %s', async (protocol) => {
  const { code, stdout, stderr } = await run(buf, [
    'curl',
    ...['--protocol', 'grpc', '--http2-prior-knowledge', '--reflect-protocol', protocol, '--list-methods'],
    `http://${gateway.address}`,
  ]);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  expect(stdout.trim().split('\n')).toEqual(
    expect.arrayContaining([`${service}/Append`, `${service}/ReadStream`, 'grpc.health.v1.Health/Check']),
  );
});
