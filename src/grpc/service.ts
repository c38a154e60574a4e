import type { UntypedServiceImplementation } from '@grpc/grpc-js';
import {
  AppendRequest,
  GetServerInfoRequest,
  GetVersionRequest,
  ListStreamsRequest,
  ListStreamsResponse,
  ReadByCorrelationRequest,
  ReadByCorrelationResponse,
  ReadEndReason,
  ReadStreamRequest,
  ReadStreamResponse,
  type AppendResponse,
  type EventStoreServiceService,
  type GetServerInfoResponse,
  type GetVersionResponse,
} from '../../generated/sluice/v1/event_store_service';
import type { Limits } from '../limits';
import {
  parseAppend,
  parseGetVersion,
  parseListStreams,
  parsePageHint,
  parseReadByCorrelation,
  parseReadStream,
  type PageSize,
} from '../store/commands';
import type { AppendResult, EventStore, Page, ReadEnd, StreamHead } from '../store/event-store';
import type { Calls } from './calls';
import { toTimestamp } from './proto-time';
import { reframe } from './reframe';
import { toServerInfo, type AboutGateway } from './server-info';

export interface ServiceOptions {
  readonly store: EventStore;
  readonly limits: Limits;
  readonly about: AboutGateway;
  readonly calls: Calls;
}

type Implementation = UntypedServiceImplementation & Record<keyof typeof EventStoreServiceService, unknown>;

/** sluice.v1.EventStoreService: each method parses its request, asks the store and puts the answer into words. */
export function createService({ store, limits, about, calls }: ServiceOptions): Implementation {
  const { unary, serverStreaming } = calls;
  return {
    // Not an async function, which would keep the events until the end.
    append: unary(AppendRequest, (request, context) =>
      toAppendResponse(store.append(parseAppend(request, limits), context), request.withCommitTime),
    ),

    readStream: serverStreaming(ReadStreamRequest, async function* (request, context) {
      const query = parseReadStream(request, limits);
      const { head, pages } = await store.readStream(query, context);
      const header = { stream: query.stream, ...toHead(head) };
      yield* responses(pages, parsePageHint(request.page, limits), encode(ReadStreamResponse, { header }));
    }),

    getVersion: unary(GetVersionRequest, async (request, context): Promise<GetVersionResponse> => {
      const { stream, asOf } = parseGetVersion(request);
      return toHead(await store.getVersion(stream, asOf, context));
    }),

    readByCorrelation: serverStreaming(ReadByCorrelationRequest, async function* (request, context) {
      const { position, pages } = await store.readByCorrelation(
        parseReadByCorrelation(request, limits),
        context,
      );
      const header = encode(ReadByCorrelationResponse, { header: { position } });
      yield* responses(pages, parsePageHint(request.page, limits), header);
    }),

    listStreams: serverStreaming(ListStreamsRequest, async function* (request, context) {
      for await (const page of store.listStreams(parseListStreams(request), context)) {
        const streams = page.map(({ stream, unreadable, ...head }) => ({
          stream,
          ...toHead(head),
          unreadable,
        }));
        yield encode(ListStreamsResponse, { streams });
      }
    }),

    getServerInfo: unary(GetServerInfoRequest, async (_request, context): Promise<GetServerInfoResponse> =>
      toServerInfo(await store.info(context), about, limits),
    ),
  };
}

async function toAppendResponse(
  appended: Promise<AppendResult>,
  withCommitTime: boolean,
): Promise<AppendResponse> {
  const { commitId = '', commitTime, ...result } = await appended;
  return { ...result, commitId, commitTime: withCommitTime ? toTimestamp(commitTime) : undefined };
}

function toHead({ version, position, commitTime }: StreamHead): GetVersionResponse {
  return { version, position, commitTime: toTimestamp(commitTime) };
}

const none = new Uint8Array(0);

/** The messages of a read: the header goes with the first, the end with the last. */
async function* responses(
  pages: AsyncIterable<Page>,
  size: PageSize,
  header: Uint8Array,
): AsyncGenerator<Buffer, void> {
  let before = header;
  let eventCount = 0n;
  for await (const page of pages) {
    for (const commit of page.commits) eventCount += BigInt(commit.eventCount);
    const end = page.end === undefined ? none : encodeEnd(page.end, eventCount);
    yield* reframe(page, size, { header: before, end });
    before = none;
  }
}

const reasons = { complete: ReadEndReason.COMPLETE, maxCount: ReadEndReason.MAX_COUNT } as const;

/** `end` has the same number in the responses of all reads. */
function encodeEnd(end: ReadEnd, eventCount: bigint): Uint8Array {
  return encode(ReadStreamResponse, { end: { reason: reasons[end], eventCount } });
}

interface Encodable<Message> {
  encode(message: Message): { finish(): Uint8Array };
  fromPartial(fields: object): Message;
}

function encode<Message>(type: Encodable<Message>, fields: Partial<Message> & object): Buffer {
  return Buffer.from(type.encode(type.fromPartial(fields)).finish());
}
