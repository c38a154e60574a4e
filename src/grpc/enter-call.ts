import type { Server, ServiceDefinition, StatusObject, UntypedHandleCall } from '@grpc/grpc-js';
import type { Limits } from '../limits';
import type { CallAudit } from './call-audit';
import type { CallReports } from './call-reports';
import { CallScope, checkMetadata, type AnyCall } from './call-scope';
import type { Recognise } from './failure';
import { toStatus } from './status';

/** How a call is served. */
export interface Service {
  /** Takes the request and responds. */
  serve(caller: CallScope): Promise<void>;
  /** Ends the call with an error. */
  fail(status: StatusObject): void;
}

declare const entered: unique symbol;

/** A handler whose calls all enter through `EnterCall`, which alone can make one. */
export type Entered<Handler> = Handler & { readonly [entered]: true };

type AnyHandler = (call: never, respond: never) => void;

/** Makes a handler of grpc-js. Each call gets its scope here, and what it fails with is recognised here and nowhere else. */
export type EnterCall = <Handler extends AnyHandler>(
  begin: (...args: Parameters<Handler>) => Service,
) => Entered<Handler>;

export interface EnterCallOptions {
  readonly limits: Limits;
  readonly recognise: Recognise;
  readonly audit: CallAudit;
  readonly reports: CallReports;
}

export function createEnterCall({ limits, recognise, audit, reports }: EnterCallOptions): EnterCall {
  const enter = async (call: AnyCall, service: Service): Promise<void> => {
    const caller = new CallScope(call, audit, reports.begun(call.getPath(), call.metadata));
    try {
      caller.trailers = checkMetadata(call, limits);
      // Its request may have taken long to come.
      if (caller.access.mayHaveExpired(Date.now())) caller.access.check();
      await service.serve(caller);
      caller.close();
      reports.ended(caller, undefined, caller.tookMs);
    } catch (error) {
      const failure = recognise(error, caller);
      caller.close(failure);
      service.fail(toStatus(failure, caller.requestId));
      reports.ended(caller, caller.refusal ?? failure, caller.tookMs);
    }
  };
  return <Handler extends AnyHandler>(begin: (...args: Parameters<Handler>) => Service) => {
    const handler = (...args: Parameters<Handler>): void => {
      void enter(args[0], begin(...args));
    };
    return handler as unknown as Entered<Handler>;
  };
}

/** The only way to add a service: no RPC can go around `EnterCall`. */
export function addService(
  server: Server,
  definition: ServiceDefinition,
  handlers: Readonly<Record<string, Entered<UntypedHandleCall>>>,
): void {
  server.addService(definition, handlers);
}
