import type {
  EventStoreServiceService,
  ListStreamsRequest,
  ReadAllRequest,
  SubscribeRequest,
} from '../../generated/sluice/v1/event_store_service';
import { AccessDeniedError } from '../auth/errors';
import type { StreamAction } from '../auth/permissions';
import type { AnyAppend } from '../store/any-append';
import type { CommitQuery } from '../store/found-commit';
import { overlap, type StreamSelection } from '../store/patterns';
import type {
  AppendCommand,
  AppendMultiCommand,
  CallContext,
  CorrelationQuery,
  EventStore,
  ListStreamsQuery,
  ReadAllQuery,
  ReadStreamQuery,
  SubscribeQuery,
} from '../store/event-store';
import type { StreamName } from '../store/values';
import { denialOf } from './access';
import type { Caller } from './call-scope';
import type { Session } from './calls';
import { hold, pass, type Permitted, type TakesPermitted } from './permitted';

/** An event store that takes nothing that was not permitted. */
export type PermittedStore = TakesPermitted<EventStore>;

/**
 * What the caller of each RPC must be granted: each entry takes what was parsed, and returns what the store may be asked. All throw
 * AccessDeniedError. A decision looks at the request alone, never at the store, so that nobody learns which streams exist.
 */
export const permit = {
  append,

  appendMulti<Command extends AppendMultiCommand>(command: Command, caller: Caller): Permitted<Command> {
    for (const { stream } of command.appends) demand('append', stream, caller);
    for (const { stream } of command.checks) demand('read', stream, caller);
    demandCondition(command, caller);
    return pass(command);
  },

  /** Opens a session, each append of which is one of `append`. */
  appendSession(session: Session): Permitted<Session> {
    hold({ action: 'append', patterns: [], grants: undefined }, session.caller);
    return pass(session);
  },

  readStream(query: ReadStreamQuery, caller: Caller): Permitted<ReadStreamQuery> {
    hold({ action: 'read', patterns: [query.stream], grants: undefined }, caller);
    return pass(query);
  },

  getVersion(stream: StreamName, caller: Caller): Permitted<StreamName> {
    demand('read', stream, caller);
    return pass(stream);
  },

  /** `visible` is there for every caller who may not read all streams. */
  getCommit(query: CommitQuery, caller: Caller): Permitted<CommitQuery> {
    const visible = readableOf(caller);
    if (visible?.length === 0) throw new AccessDeniedError('read', '');
    return pass({ ...query, visible });
  },

  /** `visible` is there for every caller who may not read all streams. */
  readByCorrelation(query: CorrelationQuery, caller: Caller): Permitted<CorrelationQuery> {
    const visible = readableOf(caller);
    hold({ action: 'read', patterns: visible ?? ['>'], grants: undefined }, caller);
    return pass(visible === undefined ? query : { ...query, visible });
  },

  readAll(query: ReadAllQuery, request: ReadAllRequest, caller: Caller): Permitted<ReadAllQuery> {
    const filter = select('read', query.filter, request, caller);
    return pass(filter === query.filter ? query : { ...query, filter });
  },

  /** Denied if nothing is left: such a subscription would look alive, and would not learn of a grant that comes later. */
  subscribe(query: SubscribeQuery, request: SubscribeRequest, caller: Caller): Permitted<SubscribeQuery> {
    const filter = select('subscribe', query.filter, request, caller);
    if (filter.patterns.length === 0)
      throw new AccessDeniedError('subscribe', query.filter.patterns[0] as string);
    return pass(filter === query.filter ? query : { ...query, filter });
  },

  listStreams(
    query: ListStreamsQuery,
    request: ListStreamsRequest,
    caller: Caller,
  ): Permitted<ListStreamsQuery> {
    return pass(select('read', query, request, caller));
  },

  getServerInfo(caller: Caller): Permitted<CallContext> {
    if (!caller.access.permissions.mayUseStore('info')) throw new AccessDeniedError('info', '');
    return pass(caller);
  },
} satisfies Record<keyof typeof EventStoreServiceService, unknown>;

/** Without events it only tells where the stream is. */
function append<Command extends AppendCommand>(command: Command, caller: Caller): Permitted<Command> {
  demand(command.events.length === 0 ? 'read' : 'append', command.stream, caller);
  demandCondition(command, caller);
  return pass(command);
}

/** undefined: all streams. */
function readableOf({ access: { permissions } }: Caller): readonly string[] | undefined {
  return permissions.covers('read', '>') ? undefined : permissions.patternsOf('read');
}

/** A refusal tells that there is an event. */
function demandCondition({ condition }: AnyAppend, caller: Caller): void {
  if (condition === undefined) return;
  const { withinStream } = condition;
  if (withinStream !== undefined) demand('read', withinStream, caller);
  else if (!caller.access.permissions.covers('read', '>')) throw new AccessDeniedError('read', '>');
}

function demand(action: StreamAction, stream: StreamName, { access }: Caller): void {
  if (!access.permissions.allows(action, stream)) throw new AccessDeniedError(action, stream);
}

/** What was asked for if all of it is granted. Otherwise, with `permitted_only`, what is left of it; without patterns: nothing. */
function select<Selection extends StreamSelection>(
  action: StreamAction,
  asked: Selection,
  { permittedOnly }: { readonly permittedOnly: boolean },
  caller: Caller,
): Selection {
  const { permissions } = caller.access;
  const need = { action, patterns: asked.patterns, grants: undefined };
  if (!permittedOnly || denialOf(need, permissions) === undefined) {
    hold(need, caller);
    return asked;
  }
  const visible = permissions.patternsOf(action);
  const patterns = asked.patterns.filter((pattern) => visible.some((grant) => overlap(pattern, grant)));
  if (patterns.length > 0) caller.hold({ action, patterns, grants: visible });
  return { ...asked, patterns, visible };
}
