import { Server, ServerCredentials, status, type ServerDuplexStream, type StatusObject } from '@grpc/grpc-js';
import {
  ConsumerGroupServiceService,
  ConsumeResponse,
  type ConsumeRequest,
  type DeepPartial,
} from '../../generated/sluice/v1/consumer_group_service';
import { toDuration } from '../../src/client/time';
import { until } from '../support/nats-server';

/** A server of grpc-js alone whose calls of Consume do what a test says, at the moment that it says. */
export interface GroupServer extends AsyncDisposable {
  readonly address: string;
  /** All calls so far, in order. */
  readonly calls: readonly ConsumeCall[];
  /** The call with this index, from 0, when it has joined; it is a member then. */
  member(index: number): Promise<ConsumeCall>;
  /** How the next calls end, before they join. */
  readonly refusals: Partial<StatusObject>[];
}

export interface ConsumeCall {
  /** What the client has sent, without the join and what it acknowledged. */
  readonly said: NonNullable<ConsumeRequest['request']>[];
  /** The ids of what it has acknowledged, in order. */
  readonly acked: bigint[];
  readonly token: string;
  join: Extract<NonNullable<ConsumeRequest['request']>, { $case: 'join' }>['value'];
  /** Whether the client has ended the call. */
  isCancelled: boolean;
  send(response: DeepPartial<ConsumeResponse>): void;
  /** Delivers events of a stream with these versions as one delivery, with the lane 0. */
  deliver(
    id: bigint,
    stream: string,
    versions: readonly bigint[],
    more?: DeepPartial<ConsumeResponse['deliveries'][number]>,
  ): void;
  end(failure?: Partial<StatusObject>): void;
}

/** In milliseconds: `ack_timeout` of the group. */
export async function startGroupServer(ackTimeoutMs = 30_000): Promise<GroupServer> {
  const calls: ConsumeCall[] = [];
  const members: ConsumeCall[] = [];
  const refusals: Partial<StatusObject>[] = [];
  const server = new Server();
  const { consume } = ConsumerGroupServiceService;
  server.addService(
    { consume },
    {
      consume(call: ServerDuplexStream<ConsumeRequest, ConsumeResponse>) {
        const own = consumeCall(call);
        calls.push(own);
        const refusal = refusals.shift();
        if (refusal !== undefined) {
          own.end(refusal);
          return;
        }
        call.on('data', ({ request }: ConsumeRequest) => {
          if (request?.$case === 'join') {
            own.join = request.value;
            const ackTimeout = toDuration(ackTimeoutMs, 'ackTimeoutMs');
            const settings = { lanes: 4, attemptsMax: 10, ackTimeout };
            const value = { member: request.value.member || 'made', storeId: 'store', settings };
            own.send({ notice: { $case: 'joined', value } });
            members.push(own);
          } else if (request?.$case === 'ack') own.acked.push(...request.value.deliveries);
          else if (request !== undefined) own.said.push(request);
        });
      },
    },
  );
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) => {
      if (error === null) resolve(bound);
      else reject(error);
    });
  });
  return {
    address: `127.0.0.1:${port}`,
    calls,
    refusals,
    async member(index) {
      await until(() => members.length > index, 10_000);
      return members[index] as ConsumeCall;
    },
    [Symbol.asyncDispose]() {
      server.forceShutdown();
      return Promise.resolve();
    },
  };
}

function consumeCall(call: ServerDuplexStream<ConsumeRequest, ConsumeResponse>): ConsumeCall {
  const [token = ''] = call.metadata.get('authorization').map(String);
  const own: ConsumeCall = {
    said: [],
    acked: [],
    token,
    join: { group: '', member: '', maxInFlight: 0, heartbeatInterval: undefined },
    isCancelled: false,
    send(response) {
      call.write(ConsumeResponse.fromPartial(response));
    },
    deliver(id, stream, versions, more = {}) {
      const events = versions.map((version) => ({
        id: `${stream}-${version.toString()}`,
        stream,
        version,
        position: version,
        type: 'T',
      }));
      own.send({ deliveries: [{ id, lane: 0, attempt: 1, events, ...more }] });
    },
    end(failure) {
      if (failure === undefined) call.end();
      else call.emit('error', failure);
    },
  };
  call.on('cancelled', () => {
    own.isCancelled = true;
  });
  call.on('error', () => undefined);
  return own;
}

export const unavailable = { code: status.UNAVAILABLE, details: 'it stops' };
