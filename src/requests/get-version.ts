import type { GetVersionRequest } from '../../generated/sluice/v1/event_store_service';
import type { StreamName, UnixNanos } from '../store/values';
import { streamName, timestamp } from './field-checks';
import { Findings } from './findings';

/** Throws InvalidRequestError. `asOf` undefined: as it is now. */
export function parseGetVersion(request: GetVersionRequest): {
  stream: StreamName;
  asOf: UnixNanos | undefined;
} {
  const findings = new Findings();
  const stream = streamName(request.stream, findings);
  const asOf = timestamp(request.asOf, 'as_of', findings);
  findings.throwIfAny();
  return { stream, asOf };
}
