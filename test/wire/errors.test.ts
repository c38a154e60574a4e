import { setTimeout as sleep } from 'node:timers/promises';
import { connect } from 'nats';
import { uuidV7 } from '../../src/uuid';
import { withGateway } from '../support/gateway';
import { wireFailureOf, type WireMessage } from '../support/wire-client';

/** Every error as a client sees it that was made from the text of the .proto files: status, reason and details. */
const status = {
  unknown: 2,
  deadlineExceeded: 4,
  alreadyExists: 6,
  aborted: 10,
  unavailable: 14,
  dataLoss: 15,
};

const appendTimeoutMs = 2_000;
const args = [`--append-timeout-ms=${appendTimeoutMs}`];
const event = { type: 'Happened' };

function errorInfo(reason: string, metadata?: Record<string, string>): WireMessage {
  return {
    '@type': 'google.rpc.ErrorInfo',
    reason,
    domain: 'sluice.v1',
    ...(metadata === undefined ? {} : { metadata }),
  };
}

test('a version conflict is ABORTED and tells both versions', () =>
  withGateway(args, async (wire) => {
    const stream = 'conflict.1';
    await wire.unary('Append', { stream, events: [event, event] });
    const description = 'stream conflict.1 is at version 2, not at the expected 18446744073709551615';
    const expected = '18446744073709551615';
    for (const events of [[event], []]) {
      const call = wire.unary('Append', { stream, events, expected_version: expected });
      expect(await wireFailureOf(call)).toEqual({
        code: status.aborted,
        message: description,
        details: [
          errorInfo('VERSION_CONFLICT', { stream, expected, actual: '2' }),
          {
            '@type': 'google.rpc.PreconditionFailure',
            violations: [{ type: 'VERSION_CONFLICT', subject: stream, description }],
          },
          { '@type': 'sluice.v1.VersionConflict', stream, expected_version: expected, actual_version: '2' },
        ],
      });
    }
    const atZero = await wireFailureOf(
      wire.unary('Append', { stream, events: [event], expected_version: '0' }),
    );
    expect(atZero.details[2]).toEqual({
      '@type': 'sluice.v1.VersionConflict',
      ...{ stream, expected_version: '0', actual_version: '2' },
    });
    expect(atZero.details[0]).toEqual(errorInfo('VERSION_CONFLICT', { stream, expected: '0', actual: '2' }));
  }));

test('a stream that must exist and does not is a conflict that says so', () =>
  withGateway(args, async (wire) => {
    const stream = 'conflict.none';
    const failure = await wireFailureOf(wire.unary('Append', { stream, events: [event], must_exist: true }));
    expect(failure).toMatchObject({
      code: status.aborted,
      message: 'stream conflict.none is at version 0, but must exist',
    });
    expect(failure.details[0]).toEqual(
      errorInfo('VERSION_CONFLICT', { stream, expected: 'exists', actual: '0' }),
    );
    // The actual version is 0, which proto3 does not send.
    expect(failure.details[2]).toEqual({ '@type': 'sluice.v1.VersionConflict', stream, must_exist: true });
  }));

test('a commit id of another commit is ALREADY_EXISTS and tells where that is', () =>
  withGateway(args, async (wire) => {
    const commit_id = '0190f3a1-0000-7000-8000-000000000001';
    const { position } = await wire.unary('Append', { stream: 'reuse.1', events: [event], commit_id });
    const call = wire.unary('Append', { stream: 'reuse.2', events: [event], commit_id });
    const found = { commit_id, stream: 'reuse.1', position };
    expect(await wireFailureOf(call)).toEqual({
      code: status.alreadyExists,
      message: `commit id ${commit_id} already belongs to a commit on stream reuse.1 at position ${String(position)}`,
      details: [
        errorInfo('COMMIT_ID_REUSE', found as Record<string, string>),
        { '@type': 'sluice.v1.CommitIdReuse', ...found },
      ],
    });
    expect(await wire.unary('GetVersion', { stream: 'reuse.2' })).toEqual({});
  }));

test('a message that is not a commit is DATA_LOSS with its position, and other streams stay readable', () =>
  withGateway(args, async (wire, nats) => {
    await wire.unary('Append', { stream: 'loss.1', events: [event] });
    await wire.unary('Append', { stream: 'loss.2', events: [event] });
    const connection = await connect({ servers: nats.url });
    const { seq } = await connection.jetstream().publish('es.loss.1', 'not a commit');
    await connection.close();
    const found = { stream: 'loss.1', position: seq.toString() };
    const calls = [
      wire.unary('GetVersion', { stream: 'loss.1' }),
      wire.stream('ReadStream', { stream: 'loss.1' }),
      wire.unary('Append', { stream: 'loss.1', events: [event] }),
      wire.unary('Append', { stream: 'loss.1', events: [event], expected_version: '1' }),
    ];
    for (const call of calls) {
      expect(await wireFailureOf(call)).toEqual({
        code: status.dataLoss,
        message: expect.stringContaining(`position ${seq} is not a commit of stream loss.1`) as string,
        details: [errorInfo('UNREADABLE_COMMIT', found), { '@type': 'sluice.v1.UnreadableCommit', ...found }],
      });
    }
    expect(await wire.unary('GetVersion', { stream: 'loss.2' })).toMatchObject({ version: '1' });
  }));

test('without NATS every call is UNAVAILABLE at once and says when to try again', () =>
  withGateway(args, async (wire, nats) => {
    await nats.stop();
    const calls = [
      wire.unary('Append', { stream: 'away.1', events: [event] }),
      wire.unary('Append', { stream: 'away.1', events: [] }),
      wire.unary('GetVersion', { stream: 'away.1' }),
      wire.unary('GetServerInfo', {}),
      wire.stream('ReadStream', { stream: 'away.1' }),
      wire.stream('ReadByCorrelation', { correlation_id: 'away' }),
      wire.stream('ListStreams', {}),
    ];
    for (const failure of await Promise.all(calls.map(wireFailureOf))) {
      expect(failure).toEqual({
        code: status.unavailable,
        message: expect.stringContaining('connection to NATS') as string,
        details: [
          errorInfo('STORE_UNAVAILABLE'),
          { '@type': 'google.rpc.RetryInfo', retry_delay: { seconds: '1' } },
        ],
      });
    }
  }));

describe('while NATS does not answer', () => {
  test('an append ends in UNKNOWN with its commit id, which then finds out what became of it', () =>
    withGateway(args, async (wire, nats) => {
      const stream = 'unknown.1';
      await wire.unary('Append', { stream, events: [event] });
      nats.pause();
      const filledIn = await wireFailureOf(
        wire.unary('Append', { stream, events: [event], expected_version: '1' }),
      );
      const { commit_id } = filledIn.details[1] as { commit_id: string };
      expect(filledIn).toEqual({
        code: status.unknown,
        message: `the answer to commit ${commit_id} on stream ${stream} was lost; retry with the same commit id to find out`,
        details: [
          errorInfo('OUTCOME_UNKNOWN', { stream, commit_id }),
          { '@type': 'sluice.v1.OutcomeUnknown', stream, commit_id },
        ],
      });
      nats.resume();
      const retry = await wire.unary('Append', { stream, events: [event], expected_version: '1', commit_id });
      expect(retry).toMatchObject({ version: '2', first_version: '2', commit_id });
      expect(await wire.unary('GetVersion', { stream })).toMatchObject({ version: '2' });
    }));

  test('the typed error comes before the deadline of the caller', () =>
    withGateway(args, async (wire, nats) => {
      await wire.unary('Append', { stream: 'late.1', events: [event] });
      // A gateway that has seen its log for a while sends an id of now without a look into the index.
      await sleep(2_500);
      nats.pause();
      const deadline = Date.now() + 1_500;
      const commit_id = uuidV7();
      const append = { stream: 'late.1', events: [event], expected_version: '1', commit_id };
      const [sent, ...asked] = await Promise.all([
        wireFailureOf(wire.unary('Append', append, { deadline })),
        wireFailureOf(wire.unary('GetVersion', { stream: 'late.1' }, { deadline })),
        wireFailureOf(wire.unary('GetServerInfo', {}, { deadline })),
        wireFailureOf(wire.stream('ReadStream', { stream: 'late.1' }, { deadline })),
        wireFailureOf(wire.stream('ReadByCorrelation', { correlation_id: 'late' }, { deadline })),
        wireFailureOf(wire.stream('ListStreams', {}, { deadline })),
      ]);
      nats.resume();
      for (const failure of asked) {
        expect(failure).toEqual({
          code: status.deadlineExceeded,
          message: 'the deadline passed before the response was ready',
          details: [errorInfo('DEADLINE_EXCEEDED')],
        });
      }
      expect([sent.code, sent.details[0]]).toEqual([
        status.unknown,
        errorInfo('OUTCOME_UNKNOWN', { stream: 'late.1', commit_id }),
      ]);
    }));
});
