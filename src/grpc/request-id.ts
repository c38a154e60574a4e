import { randomBytes } from 'node:crypto';
import type { Metadata, MetadataValue } from '@grpc/grpc-js';

/** The metadata entry with the id of a request, in calls and in their trailers. */
export const requestIdKey = 'x-request-id';

export const requestIdBytesMax = 128;
const visible = new RegExp(`^[\\x21-\\x7e]{1,${requestIdBytesMax}}$`);

/** The id that a caller has given; undefined: none, or one that cannot be used. */
export function givenRequestId(values: readonly MetadataValue[]): string | undefined {
  const [value] = values;
  return values.length === 1 && typeof value === 'string' && visible.test(value) ? value : undefined;
}

const prefix = randomBytes(6).toString('base64url');
let made = 0;

/** The id of a call: the one that its caller has given, or another one, which no other call has. */
export function requestIdOf(metadata: Metadata): string {
  return givenRequestId(metadata.get(requestIdKey)) ?? `${prefix}-${(made++).toString(36)}`;
}
