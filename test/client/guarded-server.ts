import {
  Metadata,
  Server,
  ServerCredentials,
  status,
  type sendUnaryData,
  type ServerDuplexStream,
  type ServerUnaryCall,
  type ServerWritableStream,
  type StatusObject,
} from '@grpc/grpc-js';
import { ErrorInfo, RetryInfo } from '../../generated/google/rpc/error_details';
import { Status } from '../../generated/google/rpc/status';
import {
  AppendResponse,
  AppendSessionResponse,
  EventStoreServiceService,
  GetVersionResponse,
  ListStreamsResponse,
  SubscribeResponse,
  type AppendRequest,
  type AppendSessionRequest,
  type GetVersionRequest,
  type ListStreamsRequest,
  type SubscribeRequest,
} from '../../generated/sluice/v1/event_store_service';

/** A server of grpc-js alone that wants a token, to do what a gateway does only at the wrong moment. */
export interface GuardedServer extends AsyncDisposable {
  readonly address: string;
  /** The tokens that it accepts. */
  readonly accepted: Set<string>;
  /** What it says of others. */
  cause: string;
  /** The `authorization` of every call, in order. */
  readonly seen: string[];
  /** Commit ids in the order in which they arrive, also of refused appends. */
  readonly commitIds: string[];
  /** How the next calls fail that have a good token. */
  readonly failures: Partial<StatusObject>[];
  /** Adds an event to what subscriptions deliver. */
  publish(): void;
  /** Ends the open subscriptions and sessions as when their token expires. */
  expire(): void;
}

/** A status as a gateway sends it. */
export function failureWith(
  code: status,
  reason: string,
  facts: Readonly<Record<string, string>>,
  retryMs?: number,
): Partial<StatusObject> {
  const info = { reason, domain: 'sluice.v1', metadata: new Map(Object.entries(facts)) };
  const packed = [{ typeUrl: 'x/google.rpc.ErrorInfo', value: Buffer.from(ErrorInfo.encode(info).finish()) }];
  if (retryMs !== undefined) {
    const retryDelay = { seconds: BigInt(Math.floor(retryMs / 1_000)), nanos: (retryMs % 1_000) * 1e6 };
    packed.push({
      typeUrl: 'x/google.rpc.RetryInfo',
      value: Buffer.from(RetryInfo.encode({ retryDelay }).finish()),
    });
  }
  const metadata = new Metadata();
  const details = Status.encode({ code, message: '', details: packed }).finish();
  metadata.set('grpc-status-details-bin', Buffer.from(details));
  return { code, details: reason, metadata };
}

/** A call that a test ends. */
interface Open {
  emit(event: 'error', failure: object): boolean;
  once(event: 'cancelled', listener: () => void): unknown;
}

/** Listens on loopback, or at the given address. */
export async function startGuardedServer(
  accepted: readonly string[],
  at = '127.0.0.1:0',
): Promise<GuardedServer> {
  const open = new Set<Open>();
  const wakers = new Set<() => void>();
  let end = 0n;
  const own = {
    accepted: new Set(accepted),
    cause: 'expired',
    seen: [] as string[],
    commitIds: [] as string[],
    failures: [] as Partial<StatusObject>[],
  };
  const expired = (): Partial<StatusObject> =>
    failureWith(status.UNAUTHENTICATED, 'UNAUTHENTICATED', { cause: own.cause });
  /** Why a call fails. */
  const refusal = (metadata: Metadata): Partial<StatusObject> | undefined => {
    const [authorization = ''] = metadata.get('authorization').map(String);
    own.seen.push(authorization);
    return own.accepted.has(authorization.replace(/^Bearer /, '')) ? own.failures.shift() : expired();
  };
  const keep = (call: Open): void => {
    open.add(call);
    call.once('cancelled', () => open.delete(call));
  };
  const respond = <Request, Response>(
    { metadata }: ServerUnaryCall<Request, Response>,
    done: sendUnaryData<Response>,
    response: Response,
  ): void => {
    const failure = refusal(metadata);
    if (failure === undefined) done(null, response);
    else done(failure);
  };
  const server = new Server();
  server.addService(
    // Only what the tests call.
    Object.fromEntries(
      (['append', 'appendSession', 'getVersion', 'listStreams', 'subscribe'] as const).map((name) => [
        name,
        EventStoreServiceService[name],
      ]),
    ),
    {
      append(call: ServerUnaryCall<AppendRequest, AppendResponse>, done: sendUnaryData<AppendResponse>) {
        own.commitIds.push(call.request.commitId);
        respond(call, done, AppendResponse.fromPartial({ version: 1n, commitId: call.request.commitId }));
      },
      getVersion(
        call: ServerUnaryCall<GetVersionRequest, GetVersionResponse>,
        done: sendUnaryData<GetVersionResponse>,
      ) {
        respond(call, done, GetVersionResponse.fromPartial({ version: 1n }));
      },
      listStreams(call: ServerWritableStream<ListStreamsRequest, ListStreamsResponse>) {
        const failure = refusal(call.metadata);
        if (failure !== undefined) {
          call.emit('error', failure);
          return;
        }
        call.write(ListStreamsResponse.fromPartial({ streams: [{ stream: 'a' }] }));
        if (call.request.pattern === '') call.end();
        else keep(call);
      },
      appendSession(call: ServerDuplexStream<AppendSessionRequest, AppendSessionResponse>) {
        const failure = refusal(call.metadata);
        if (failure !== undefined) {
          call.emit('error', failure);
          return;
        }
        keep(call);
        call.on('data', ({ appends }: AppendSessionRequest) => {
          for (const { tag, append } of appends) {
            own.commitIds.push(append?.commitId ?? '');
            if (append?.stream === 'unanswered') continue;
            const outcome = {
              $case: 'result',
              value: { version: 1n, commitId: append?.commitId ?? '' },
            } as const;
            call.write(AppendSessionResponse.fromPartial({ answers: [{ tag, outcome }] }));
          }
        });
        call.on('end', () => {
          call.end();
        });
      },
      subscribe(call: ServerWritableStream<SubscribeRequest, SubscribeResponse>) {
        const failure = refusal(call.metadata);
        if (failure !== undefined) {
          call.emit('error', failure);
          return;
        }
        keep(call);
        let { afterPosition: at = 0n } = call.request;
        const deliver = (): void => {
          while (at < end && open.has(call)) {
            at++;
            const event = { id: `e-${at.toString()}`, stream: 's', type: 'T', position: at, version: at };
            call.write(SubscribeResponse.fromPartial({ events: [event], position: at }));
          }
        };
        wakers.add(deliver);
        call.on('close', () => wakers.delete(deliver));
        deliver();
      },
    },
  );
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync(at, ServerCredentials.createInsecure(), (error, bound) => {
      if (error === null) resolve(bound);
      else reject(error);
    });
  });
  return Object.assign(own, {
    address: at.startsWith('unix:') ? at : `127.0.0.1:${port}`,
    publish() {
      end++;
      for (const wake of wakers) wake();
    },
    expire() {
      for (const call of open) call.emit('error', expired());
      open.clear();
    },
    [Symbol.asyncDispose]() {
      server.forceShutdown();
      return Promise.resolve();
    },
  });
}
