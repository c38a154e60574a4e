import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { status } from '@grpc/grpc-js';
import { startGuarded, type GuardedGateway } from '../support/access';
import { newEvents } from '../support/attempts';
import { until } from '../support/nats-server';
import { makeReplicaDir } from '../support/replica-dir';
import type { RpcClient } from '../support/rpc-client';
import { failureOf } from '../support/rpc-failure';

/** What the calls of StreamService need to be granted, and what the audit log says of them, on a real auth file and nats-server. */

const principals = {
  admin: { grants: [{ actions: ['append', 'read', 'subscribe', 'manage', 'info'], streams: ['>'] }] },
  manager: { grants: [{ actions: ['manage'], streams: ['order.>'] }] },
  reader: { grants: [{ actions: ['read'], streams: ['order.>'] }] },
  writer: { grants: [{ actions: ['append', 'subscribe'], streams: ['order.>'] }] },
};

let guarded: GuardedGateway;
let audit: string;
beforeAll(async () => {
  audit = join(makeReplicaDir(), 'audit.jsonl');
  guarded = await startGuarded(principals, {}, [], { audit: { file: audit } });
}, 60_000);
afterAll(() => guarded[Symbol.asyncDispose]());

const changes: Readonly<Record<string, (client: RpcClient, stream: string) => Promise<unknown>>> = {
  TruncateStream: ({ streams }, stream) => streams.truncate({ stream, beforeVersion: 2n }),
  SetRetention: ({ streams }, stream) => streams.setRetention({ stream, retention: { maxCount: 2n } }),
  DeleteStream: ({ streams }, stream) => streams.delete({ stream }),
  TombstoneStream: ({ streams }, stream) => streams.tombstone({ stream }),
  EraseEvents: ({ streams }, stream) =>
    streams.erase({ stream, fromVersion: 1n, toVersion: 3n, reason: 'asked' }),
};

function lines(): Record<string, unknown>[] {
  const text = existsSync(audit) ? readFileSync(audit, 'utf8') : '';
  return text
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}

describe.each(Object.entries(changes))('%s', (call, change) => {
  const stream = `order.${call}`;
  const secret = `secret.${call}`;

  beforeAll(async () => {
    for (const name of [stream, secret])
      await guarded.as('admin').append({ stream: name, events: newEvents(3) });
  });

  test('needs manage on the stream, whether it exists or not, and stores nothing without', async () => {
    const state = async (): Promise<unknown> => [
      await guarded.as('admin').readStream({ stream }),
      await guarded.as('admin').streams.get({ stream }),
    ];
    const before = await state();
    for (const name of ['reader', 'writer']) {
      for (const asked of [stream, `${stream}.missing`]) {
        const failure = await failureOf(change(guarded.as(name), asked));
        expect([failure.code, failure.reason]).toEqual([status.PERMISSION_DENIED, 'ACCESS_DENIED']);
        const { metadata } = failure.detail('google.rpc.ErrorInfo') ?? {};
        expect(Object.fromEntries(metadata ?? [])).toEqual({ action: 'manage', stream: asked });
      }
    }
    const outside = await failureOf(change(guarded.as('manager'), secret));
    expect(outside.code).toBe(status.PERMISSION_DENIED);
    const nobody = await failureOf(change(guarded.as(undefined), stream));
    expect(nobody.code).toBe(status.UNAUTHENTICATED);
    expect(await state()).toEqual(before);
  });

  test('is done with manage alone, and is in the audit log with its principal', async () => {
    await change(guarded.as('manager'), stream);
    const isOf = (outcome: string) => (line: Record<string, unknown>) =>
      line['call'] === call && line['outcome'] === outcome && line['principal'] === 'token:manager';
    await until(() => lines().some(isOf('OK')));
    const { position } = await guarded.as('admin').getVersion({ stream });
    expect(lines().find(isOf('OK'))).toMatchObject({
      action: 'manage',
      streams: [stream],
      position: position.toString(),
    });
    expect(lines().find(isOf('ACCESS_DENIED'))).toMatchObject({ action: 'manage', streams: [secret] });
  });
});

test('GetStream needs read or manage', async () => {
  await guarded.as('admin').append({ stream: 'order.get', events: newEvents(1) });
  for (const name of ['manager', 'reader'])
    expect((await guarded.as(name).streams.get({ stream: 'order.get' })).stream?.version).toBe(1n);
  for (const asked of ['order.get', 'order.missing']) {
    const failure = await failureOf(guarded.as('writer').streams.get({ stream: asked }));
    expect([failure.code, failure.reason]).toEqual([status.PERMISSION_DENIED, 'ACCESS_DENIED']);
  }
  const missing = await failureOf(guarded.as('manager').streams.get({ stream: 'order.missing' }));
  expect([missing.code, missing.reason]).toEqual([status.NOT_FOUND, 'STREAM_NOT_FOUND']);
});

test('a commit id of a stream that the manager may not read is refused without naming the stream', async () => {
  const { commitId } = await guarded.as('admin').append({ stream: 'secret.id', events: newEvents(1) });
  await guarded.as('admin').append({ stream: 'order.id', events: newEvents(1) });
  const failure = await failureOf(guarded.as('manager').streams.delete({ stream: 'order.id', commitId }));
  expect([failure.code, failure.reason]).toEqual([status.ALREADY_EXISTS, 'COMMIT_ID_REUSE']);
  expect(
    JSON.stringify([failure.message, [...(failure.detail('google.rpc.ErrorInfo')?.metadata ?? [])]]),
  ).not.toContain('secret');
});
