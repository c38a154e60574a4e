import { setLogger } from '@grpc/grpc-js';
import type { Logger } from 'pino';

/** What grpc-js says of a header that cannot be metadata, before its value. */
const leftOut = /^Failed to add metadata entry [^:]*/;

/**
 * What grpc-js complains of goes to the log of the gateway instead of stderr. Without the values of headers, which may be tokens; any
 * caller can send such a header, so that these lines are for debugging.
 */
export function logLibrary(log: Logger): void {
  setLogger({
    error(message: string) {
      const entry = leftOut.exec(message)?.[0];
      if (entry === undefined) log.warn({ library: 'grpc-js' }, message);
      else log.debug({ library: 'grpc-js' }, entry);
    },
  });
}
