import { call, stream } from '../wire/connect';
import type { GetVersionResponse, ReadStreamHeader, ReadStreamRequest } from '../wire/messages';
import { collect, type Events } from './collect';

/** Which events of a stream a page shows, the newest first. */
export interface StreamPage {
  readonly stream: string;
  /** The newest version to show; undefined: the newest of the stream. */
  readonly from: string | undefined;
  /** Only commits of this time or earlier. */
  readonly asOf: string | undefined;
  readonly types: readonly string[];
}

export const streamPageEvents = 50;

export function streamPageRequest({ stream: name, from, asOf, types }: StreamPage): ReadStreamRequest {
  return {
    stream: name,
    direction: 'DIRECTION_BACKWARD',
    maxCount: streamPageEvents.toString(),
    fromVersion: from,
    toTime: asOf,
    eventTypes: types.length === 0 ? undefined : [...types],
  };
}

export function readStreamPage(page: StreamPage, signal: AbortSignal): Promise<Events<ReadStreamHeader>> {
  const request = { ...streamPageRequest(page), page: { bytesMax: 1 << 20 } };
  return collect(stream('EventStoreService/ReadStream', request, signal));
}

export function versionAsOf(
  name: string,
  asOf: string | undefined,
  signal: AbortSignal,
): Promise<GetVersionResponse> {
  return call('EventStoreService/GetVersion', { stream: name, asOf }, signal);
}
