import type { UntypedHandleCall } from '@grpc/grpc-js';
import {
  AppendMultiRequest,
  AppendRequest,
  AppendResponse,
  GetCommitRequest,
  GetCommitResponse,
  GetServerInfoRequest,
  GetVersionRequest,
  ListStreamsRequest,
  ListStreamsResponse,
  ReadAllRequest,
  ReadAllResponse,
  ReadByCorrelationRequest,
  ReadByCorrelationResponse,
  type ReadEnd,
  ReadEndReason,
  ReadStreamRequest,
  ReadStreamResponse,
  SubscribeRequest,
  SubscribeResponse,
  AppendMultiResponse,
  type EventStoreServiceService,
  GetServerInfoResponse,
  GetVersionResponse,
} from '../../generated/sluice/v1/event_store_service';
import type { Guard } from '../auth/guard';
import type { Limits } from '../limits';
import { parseAppend } from '../requests/append';
import { parseAppendMulti } from '../requests/append-multi';
import { parseGetCommit } from '../requests/get-commit';
import { parseGetVersion } from '../requests/get-version';
import { parseListStreams } from '../requests/list-streams';
import { parsePageHint, type PageSize } from '../requests/page-size';
import { parseReadAll } from '../requests/read-all';
import { parseReadByCorrelation } from '../requests/read-by-correlation';
import { parseReadStream } from '../requests/read-stream';
import { parseSubscribe } from '../requests/subscribe';
import { StoreUnavailableError } from '../store/errors';
import type {
  AllPage,
  AppendMultiResult,
  AppendResult,
  EventStore,
  Page,
  Pages,
  SubscriptionUpdate,
} from '../store/event-store';
import type { FoundCommit } from '../store/found-commit';
import type { Position } from '../store/values';
import { toAppendResponse } from './append-response';
import { appendSession } from './append-session';
import type { Calls } from './calls';
import type { Entered } from './enter-call';
import { rethrow, type ConnectionAppends, type Ended } from './connection-appends';
import { encodePart } from './encode-part';
import { toTimestamp } from './proto-time';
import { reframe } from './reframe';
import { permit, type PermittedStore } from './permit';
import type { Messages } from './send-all';
import { toHead, toSummary } from './stream-heads';
import { toUnreadableMessage } from './unreadable-message';
import { toServerInfo, type AboutGateway } from './server-info';
import { wholeCommits } from './whole-commits';

export interface ServiceOptions {
  readonly store: EventStore;
  readonly limits: Limits;
  readonly about: AboutGateway;
  readonly guard: Guard;
  readonly calls: Calls;
  readonly appends: ConnectionAppends;
}

/** The compiler wants a handler for each RPC of the contract. */
type Handlers = Readonly<Record<keyof typeof EventStoreServiceService, Entered<UntypedHandleCall>>>;

const answerTo = (withCommitTime: boolean): Ended<AppendResult, AppendResponse> => ({
  succeeded: (result) => toAppendResponse(result, withCommitTime),
  failed: rethrow,
});
const multiAnswer = { succeeded: toAppendMultiResponse, failed: rethrow };

/** sluice.v1.EventStoreService: each method parses its request, calls the store and encodes the result. */
export function createService(options: ServiceOptions): Handlers {
  return { ...appendHandlers(options), ...readHandlers(options), ...lookupHandlers(options) };
}

/** What the handlers share: the store takes nothing that was not permitted. */
interface Serving extends Omit<ServiceOptions, 'store'> {
  readonly store: PermittedStore;
}

function appendHandlers({
  appends,
  limits,
  calls: { unary, session },
}: Serving): Pick<Handlers, 'append' | 'appendMulti' | 'appendSession'> {
  return {
    // Not an async function, which would keep the events until the append has ended.
    append: unary(AppendRequest, AppendResponse, (request, caller) => {
      const { withCommitTime } = request;
      const command = permit.append(parseAppend(request, limits), caller);
      return appends.append(command, caller, answerTo(withCommitTime));
    }),

    appendMulti: unary(AppendMultiRequest, AppendMultiResponse, (request, caller) =>
      appends.appendMulti(permit.appendMulti(parseAppendMulti(request, limits), caller), caller, multiAnswer),
    ),

    appendSession: session((opened) => appendSession({ appends, limits }, permit.appendSession(opened))),
  };
}

function readHandlers({
  store,
  limits,
  calls: { read, subscription },
}: Serving): Pick<Handlers, 'readStream' | 'readAll' | 'subscribe' | 'readByCorrelation' | 'listStreams'> {
  return {
    readStream: read(ReadStreamRequest, async (request, caller) => {
      const query = permit.readStream(parseReadStream(request, limits), caller);
      const { head, pages } = await store.readStream(query, caller);
      const header = encodePart(ReadStreamResponse, { header: { stream: query.stream, ...toHead(head) } });
      return responses(pages, parsePageHint(request.page, limits), header);
    }),

    readAll: read(ReadAllRequest, async (request, caller) => {
      const query = permit.readAll(parseReadAll(request, limits), request, caller);
      const { position, storeId, pages } = await store.readAll(query, caller);
      const header = encodePart(ReadAllResponse, { header: { position, storeId } });
      return responses(pages, parsePageHint(request.page, limits), header);
    }),

    subscribe: subscription(SubscribeRequest, async function* (request, caller, pageBytesMax) {
      const { stop } = caller.connection;
      const query = permit.subscribe(parseSubscribe(request, limits), request, caller);
      const size = parsePageHint(request.page, { ...limits, pageBytesMax });
      let position: Position | undefined;
      for await (const update of store.subscribe(query, caller, stop)) {
        position = update.position;
        yield* toMessages(update, size);
      }
      yield encodePart(SubscribeResponse, { position, notice: { $case: 'draining', value: {} } });
      throw new StoreUnavailableError(stop.reason as string);
    }),

    readByCorrelation: read(ReadByCorrelationRequest, async (request, caller) => {
      const query = permit.readByCorrelation(parseReadByCorrelation(request, limits), caller);
      const { position, pages } = await store.readByCorrelation(query, caller);
      const limitedToGrants = query.visible !== undefined;
      const header = encodePart(ReadByCorrelationResponse, { header: { position, limitedToGrants } });
      return responses(pages, parsePageHint(request.page, limits), header);
    }),

    listStreams: read(ListStreamsRequest, async function* (request, caller) {
      const query = permit.listStreams(parseListStreams(request), request, caller);
      for await (const page of store.listStreams(query, caller)) {
        yield encodePart(ListStreamsResponse, { streams: page.map(toSummary) });
      }
    }),
  };
}

function lookupHandlers({
  store,
  calls: { lookup },
  ...known
}: Serving): Pick<Handlers, 'getVersion' | 'getCommit' | 'getServerInfo'> {
  return {
    getVersion: lookup(GetVersionRequest, GetVersionResponse, async (request, caller) => {
      const { stream, asOf } = parseGetVersion(request);
      return toHead(await store.getVersion(permit.getVersion(stream, caller), asOf, caller));
    }),

    getCommit: lookup(GetCommitRequest, GetCommitResponse, async (request, caller) =>
      toCommitResponse(await store.getCommit(permit.getCommit(parseGetCommit(request), caller), caller)),
    ),

    getServerInfo: lookup(GetServerInfoRequest, GetServerInfoResponse, async (_request, caller) =>
      toServerInfo(await store.info(permit.getServerInfo(caller)), known, caller.access),
    ),
  };
}

function toAppendMultiResponse({ streams, commitId, ...result }: AppendMultiResult): AppendMultiResponse {
  return { ...result, commitId: commitId ?? '', streams: [...streams] };
}

function toCommitResponse(found: FoundCommit | undefined): GetCommitResponse {
  if (found === undefined) return { position: 0n, commitTime: undefined, streams: [] };
  const { position, commitTime, streams } = found;
  return { position, commitTime: toTimestamp(commitTime), streams: [...streams] };
}

const none = new Uint8Array(0);

/** The messages of a read: the first has the header, the last has the end. */
function responses(pages: Pages<Page | AllPage>, size: PageSize, header: Uint8Array): Messages {
  const toResponses = pageResponses(size, header);
  return Symbol.asyncIterator in pages
    ? responsesOfEach(pages, toResponses)
    : pages.flatMap((page) => [...toResponses(page)]);
}

async function* responsesOfEach(
  pages: AsyncIterable<Page | AllPage>,
  toResponses: (page: Page | AllPage) => Iterable<Buffer>,
): AsyncGenerator<Buffer, void> {
  for await (const page of pages) yield* toResponses(page);
}

/** Returns a function that makes the messages of the next page. */
function pageResponses(size: PageSize, header: Uint8Array): (page: Page | AllPage) => Iterable<Buffer> {
  let before = header;
  let eventCount = 0n;
  let unreadableSkipped = 0n;
  return (page) => {
    for (const run of page.runs) eventCount += BigInt(run.eventCount);
    const { unreadable = [] } = page;
    unreadableSkipped += BigInt(unreadable.length);
    const parts = [
      page.end === undefined ? none : encodeEnd({ reason: reasons[page.end], eventCount, unreadableSkipped }),
      'position' in page ? encodePart(ReadAllResponse, { position: page.position }) : none,
      unreadable.length === 0 ? none : encodeSkipped(page),
    ];
    const surroundings = { header: before, end: Buffer.concat(parts) };
    before = none;
    return reframe(page, size, surroundings);
  };
}

const reasons = { complete: ReadEndReason.COMPLETE, maxCount: ReadEndReason.MAX_COUNT } as const;

/** The field has one number in responses with a position, and another in those without. */
function encodeSkipped(page: Page | AllPage): Uint8Array {
  const unreadable = page.unreadable?.map(toUnreadableMessage) ?? [];
  return 'position' in page
    ? encodePart(ReadAllResponse, { unreadable })
    : encodePart(ReadByCorrelationResponse, { unreadable });
}

/** `end` has the same number in the responses of all reads. */
function encodeEnd(end: ReadEnd): Uint8Array {
  return encodePart(ReadStreamResponse, { end });
}

function* toMessages(update: SubscriptionUpdate, size: PageSize): Generator<Buffer, void> {
  const { position } = update;
  switch (update.kind) {
    case 'events': {
      const groups = [...wholeCommits(update.runs, size)];
      for (const runs of groups) {
        const isLast = runs === groups.at(-1);
        const end = encodePart(SubscribeResponse, { position: isLast ? position : runs.at(-1)?.position });
        yield* reframe({ runs }, size, { header: none, end });
      }
      return;
    }
    case 'heartbeat': {
      const lag = position !== undefined && update.head > position ? update.head - position : 0n;
      const value = { headPosition: update.head, lag };
      yield encodePart(SubscribeResponse, { position, notice: { $case: 'heartbeat', value } });
      return;
    }
    case 'checkpoint': {
      const unreadable = update.unreadable?.map(toUnreadableMessage) ?? [];
      yield encodePart(SubscribeResponse, {
        position,
        notice: { $case: 'checkpoint', value: {} },
        unreadable,
        storeId: update.storeId ?? '',
      });
      return;
    }
    case 'caughtUp':
    case 'fellBehind':
      yield encodePart(SubscribeResponse, { position, notice: { $case: update.kind, value: {} } });
  }
}
