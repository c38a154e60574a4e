import type * as g from './group-messages';
import type * as m from './messages';
import type { GetServerInfoResponse } from './server-info';

interface Method<Request, Response> {
  readonly request: Request;
  readonly response: Response;
}

/** The methods with one response. */
export interface UnaryMethods {
  'EventStoreService/Append': Method<m.AppendRequest, m.AppendResponse>;
  'EventStoreService/GetVersion': Method<m.GetVersionRequest, m.GetVersionResponse>;
  'EventStoreService/GetCommit': Method<m.GetCommitRequest, m.GetCommitResponse>;
  'EventStoreService/GetServerInfo': Method<object, GetServerInfoResponse>;
  'StreamService/GetStream': Method<m.GetStreamRequest, m.GetStreamResponse>;
  'StreamService/TruncateStream': Method<m.TruncateStreamRequest, m.TruncateStreamResponse>;
  'StreamService/DeleteStream': Method<m.DeleteStreamRequest, m.TruncateStreamResponse>;
  'StreamService/TombstoneStream': Method<m.TombstoneStreamRequest, m.TruncateStreamResponse>;
  'StreamService/EraseEvents': Method<m.EraseEventsRequest, m.TruncateStreamResponse>;
  'ConsumerGroupService/GetGroup': Method<g.GetGroupRequest, g.GetGroupResponse>;
  'ConsumerGroupService/ReplayParked': Method<g.ReplayParkedRequest, g.ReplayParkedResponse>;
}

/** The methods with a stream of responses. */
export interface StreamMethods {
  'EventStoreService/ReadStream': Method<m.ReadStreamRequest, m.ReadStreamResponse>;
  'EventStoreService/ReadAll': Method<m.ReadAllRequest, m.ReadAllResponse>;
  'EventStoreService/ReadByCorrelation': Method<m.ReadByCorrelationRequest, m.ReadByCorrelationResponse>;
  'EventStoreService/Subscribe': Method<m.SubscribeRequest, m.SubscribeResponse>;
  'EventStoreService/ListStreams': Method<m.ListStreamsRequest, m.ListStreamsResponse>;
  'ConsumerGroupService/ListGroups': Method<g.ListGroupsRequest, g.ListGroupsResponse>;
  'ConsumerGroupService/ListParked': Method<g.ListParkedRequest, g.ListParkedResponse>;
}
