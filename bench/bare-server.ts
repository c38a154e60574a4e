import { Server, ServerCredentials, type ServiceError } from '@grpc/grpc-js';
import {
  AppendResponse,
  EventStoreServiceService,
  GetVersionResponse,
  type AppendRequest,
} from '../generated/sluice/v1/event_store_service';

/**
 * A separate process, started with host:port: the generated service on grpc-js, with handlers that respond at once and store
 * nothing. Its cost of a call is the minimum for any gateway on grpc-js.
 */
type Answer<Response> = (error: ServiceError | null, response: Response) => void;

const server = new Server();
server.addService(EventStoreServiceService, {
  append({ request }: { request: AppendRequest }, answer: Answer<AppendResponse>) {
    const { expectedVersion = 0n, events } = request;
    answer(null, AppendResponse.fromPartial({ version: expectedVersion + BigInt(events.length) }));
  },
  getVersion(_call: unknown, answer: Answer<GetVersionResponse>) {
    answer(null, GetVersionResponse.fromPartial({ version: 1n }));
  },
});
server.bindAsync(process.argv[2] ?? '', ServerCredentials.createInsecure(), (error) => {
  if (error !== null) throw error;
});
