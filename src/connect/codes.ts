import { status } from '@grpc/grpc-js';

/** A status code as the Connect protocol writes it, and its HTTP status. */
export interface ConnectCode {
  readonly name: string;
  readonly http: number;
}

const table: Readonly<Record<Exclude<keyof typeof status, 'OK'>, number>> = {
  CANCELLED: 499,
  UNKNOWN: 500,
  INVALID_ARGUMENT: 400,
  DEADLINE_EXCEEDED: 504,
  NOT_FOUND: 404,
  ALREADY_EXISTS: 409,
  PERMISSION_DENIED: 403,
  RESOURCE_EXHAUSTED: 429,
  FAILED_PRECONDITION: 400,
  ABORTED: 409,
  OUT_OF_RANGE: 400,
  UNIMPLEMENTED: 501,
  INTERNAL: 500,
  UNAVAILABLE: 503,
  DATA_LOSS: 500,
  UNAUTHENTICATED: 401,
};

/** Connect spells this one differently. */
const spelled: Readonly<Record<string, string>> = { cancelled: 'canceled' };

/** The code of a status that is not OK; an unknown one is `unknown`. */
export function connectCodeOf(code: number): ConnectCode {
  const key = (status[code] ?? 'UNKNOWN') as keyof typeof table;
  const name = key.toLowerCase();
  return { name: spelled[name] ?? name, http: table[key] };
}
