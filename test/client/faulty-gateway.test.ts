import { Metadata, Server, ServerCredentials, status, type StatusObject } from '@grpc/grpc-js';
import type { Any } from '../../generated/google/protobuf/any';
import { ErrorInfo } from '../../generated/google/rpc/error_details';
import { Status } from '../../generated/google/rpc/status';
import {
  EventStoreServiceService,
  ReadEndReason,
  ReadStreamResponse,
  type DeepPartial,
} from '../../generated/sluice/v1/event_store_service';
import {
  connect,
  IncompleteReadError,
  InternalError,
  InvalidRequestError,
  OutcomeUnknownError,
  UnauthenticatedError,
  type SluiceClient,
} from '../../src/client/client';
import { all, failureOf } from './outcomes';

/** Responses that no gateway sends, but something between it and the client might: served by grpc-js alone. */

type Answer = { readonly messages: readonly Uint8Array[] } | { readonly failure: Partial<StatusObject> };

/** Responds to every read and append in the same way. */
async function withAnswer(answer: Answer, test: (client: SluiceClient) => Promise<void>): Promise<void> {
  const { readStream, append } = EventStoreServiceService;
  const asBytes = (bytes: Uint8Array): Buffer => Buffer.from(bytes);
  const server = new Server();
  server.addService(
    {
      readStream: { ...readStream, responseSerialize: asBytes },
      append: { ...append, responseSerialize: asBytes },
    },
    {
      readStream(call: {
        write(bytes: Uint8Array): void;
        end(): void;
        emit(event: 'error', failure: object): void;
      }) {
        if ('failure' in answer) call.emit('error', answer.failure);
        else {
          for (const message of answer.messages) call.write(message);
          call.end();
        }
      },
      append(_call: unknown, respond: (failure: object | null, bytes?: Uint8Array) => void) {
        if ('failure' in answer) respond(answer.failure);
        else respond(null, answer.messages[0]);
      },
    },
  );
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) => {
      if (error === null) resolve(bound);
      else reject(error);
    });
  });
  const client = connect(`127.0.0.1:${port}`);
  try {
    await test(client);
  } finally {
    client.close();
    server.forceShutdown();
  }
}

const header = { stream: 's', version: 2n, position: 2n, commitTime: undefined };
const event = { id: 'e', stream: 's', version: 1n, type: 'T', position: 2n };
const end = (eventCount: bigint) => ({ reason: ReadEndReason.COMPLETE, eventCount });

function message(fields: DeepPartial<ReadStreamResponse>): Uint8Array {
  return ReadStreamResponse.encode(ReadStreamResponse.fromPartial(fields)).finish();
}

describe('a read that ends with OK', () => {
  test.each([
    ['without any message', [], 0],
    ['without its end', [message({ header, events: [event, event] })], 2],
    ['with a message after its end', [message({ header, end: end(1n) }), message({ events: [event] })], 1],
    [
      'with fewer events than announced',
      [message({ header }), message({ events: [event], end: end(2n) })],
      1,
    ],
    ['with more events than announced', [message({ header, events: [event, event], end: end(1n) })], 2],
    ['without its header', [message({ events: [event], end: end(1n) })], 0],
  ])('%s is not complete', (_name, messages, eventCount) =>
    withAnswer({ messages }, async (client) => {
      let seen = 0;
      const read = async (): Promise<void> => {
        for await (const { id } of client.readStream('s')) {
          expect(id).toBe('e');
          seen++;
        }
      };
      const error = await failureOf(read());
      expect(error).toBeInstanceOf(IncompleteReadError);
      expect(error).toMatchObject({ code: 'INCOMPLETE_READ', status: 0 });
      expect(seen).toBe(eventCount);
    }),
  );

  test('with bytes that are not a message is an internal error', () =>
    withAnswer({ messages: [Uint8Array.of(0x0a, 0x7f)] }, async (client) => {
      const error = await failureOf(all(client.readStream('s')));
      expect(error).toBeInstanceOf(InternalError);
      expect(error).toMatchObject({ code: 'INTERNAL', cause: expect.any(Error) as Error });
      // This response does not show whether the append is stored.
      expect(await failureOf(client.append('s', [{ type: 'T' }]))).toBeInstanceOf(OutcomeUnknownError);
    }));
});

describe('a status', () => {
  const withDetails = (details: Buffer): Metadata => {
    const metadata = new Metadata();
    metadata.set('grpc-status-details-bin', details);
    return metadata;
  };
  const withReason = (reason: string, domain: string, conflict?: Buffer): Metadata => {
    const info = ErrorInfo.encode({ reason, domain, metadata: new Map() }).finish();
    const details: Any[] = [
      { typeUrl: 'type.googleapis.com/google.rpc.ErrorInfo', value: Buffer.from(info) },
    ];
    if (conflict !== undefined) details.push({ typeUrl: 'x/sluice.v1.VersionConflict', value: conflict });
    return withDetails(Buffer.from(Status.encode({ code: 0, message: '', details }).finish()));
  };

  test.each([
    ['no details', undefined],
    ['details that cannot be decoded', withDetails(Buffer.of(0xff, 0xff))],
    ['the reason of another domain', withReason('VERSION_CONFLICT', 'example.com')],
    ['a reason without the details that belong to it', withReason('VERSION_CONFLICT', 'sluice.v1')],
    ['details of another form', withReason('VERSION_CONFLICT', 'sluice.v1', Buffer.of(0x0a, 0x7f))],
    ['an unknown reason', withReason('NEWER_THAN_THE_CLIENT', 'sluice.v1')],
  ])('with %s becomes the error of its number', async (_name, metadata) => {
    for (const [code, kind] of [
      [status.INVALID_ARGUMENT, InvalidRequestError],
      [status.UNAUTHENTICATED, UnauthenticatedError],
      [status.ABORTED, InternalError],
    ] as const) {
      await withAnswer(
        { failure: { code, details: 'why', ...(metadata && { metadata }) } },
        async (client) => {
          const error = await failureOf(all(client.readStream('s')));
          expect(error).toBeInstanceOf(kind);
          expect(error).toMatchObject({ status: code, message: 'why' });
        },
      );
    }
  });

  test.each([
    [status.UNAVAILABLE, undefined, OutcomeUnknownError],
    [status.INTERNAL, withReason('INTERNAL', 'sluice.v1'), OutcomeUnknownError],
    [status.ABORTED, undefined, OutcomeUnknownError],
    [status.UNIMPLEMENTED, undefined, InternalError],
    [status.RESOURCE_EXHAUSTED, undefined, OutcomeUnknownError],
    [status.UNAUTHENTICATED, undefined, UnauthenticatedError],
  ])('%p leaves an append in doubt unless it is a refusal', async (code, metadata, kind) => {
    await withAnswer({ failure: { code, details: 'why', ...(metadata && { metadata }) } }, async (client) => {
      const commitId = '0190f3a1-0000-7000-8000-000000000001';
      const error = await failureOf(client.append('s', [{ type: 'T' }], { commitId }));
      expect(error).toBeInstanceOf(kind);
      expect(error).toMatchObject({ status: code });
      if (kind === OutcomeUnknownError) expect(error).toMatchObject({ stream: 's', commitId });
    });
  });
});
