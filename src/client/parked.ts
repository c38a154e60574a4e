import {
  ConsumerGroupServiceService,
  DropParkedRequest,
  DropParkedResponse,
  ListParkedRequest,
  ListParkedResponse,
  ReplayParkedRequest,
  ReplayParkedResponse,
  type ParkedEvent as ProtoParkedEvent,
} from '../../generated/sluice/v1/consumer_group_service';
import { serverStream, unary } from './authorized-calls';
import type { CallOptions } from './calls';
import type { Channel } from './channel';
import { toRecordedEvent, type RecordedEvent } from './event';
import { toUint32, toUint64, type WholeNumber } from './numbers';
import { encode } from './text';
import { toCommitTime } from './time';

/** Which parked events of a group. */
export interface ParkedSelection extends CallOptions {
  /** Only of this stream. */
  readonly stream?: string | undefined;
  /** Only the event of this version; with `stream`. */
  readonly version?: WholeNumber | undefined;
}

export interface DropParkedOptions extends ParkedSelection {
  /** True: the events of all streams; required where `stream` is left out. */
  readonly all?: boolean | undefined;
}

export interface ListParkedOptions extends CallOptions {
  /** Only of this stream. */
  readonly stream?: string | undefined;
  /** At most this many; 0: no limit. */
  readonly maxCount?: WholeNumber | undefined;
  /** True: with the events themselves. */
  readonly withEvents?: boolean | undefined;
}

/** An event that a group has set aside. */
export interface ParkedEvent {
  readonly stream: string;
  readonly version: bigint;
  readonly position: bigint;
  readonly eventId: string;
  readonly type: string;
  /** Why it was parked. */
  readonly reason: string;
  /** How often it was tried. */
  readonly attempts: number;
  readonly parkTime: Date;
  /** True: it was parked because an event before it on its stream was. */
  readonly following: boolean;
  /** True: `replayParked` has asked for it. */
  readonly replaying: boolean;
  /** undefined: it was not requested, or can no longer be read. */
  readonly event: RecordedEvent | undefined;
}

const list = { path: ConsumerGroupServiceService.listParked.path, response: ListParkedResponse };
const replay = { path: ConsumerGroupServiceService.replayParked.path, response: ReplayParkedResponse };
const drop = { path: ConsumerGroupServiceService.dropParked.path, response: DropParkedResponse };

/** Each loop over the result makes its own call. */
export function listParked(
  channel: Channel,
  group: string,
  options: ListParkedOptions,
): AsyncIterable<ParkedEvent> {
  const { stream = '', maxCount = 0, withEvents = false, signal } = options;
  const message = { group, stream, maxCount: toUint32(maxCount, 'maxCount'), withEvents };
  const call = { method: list, request: encode(ListParkedRequest, message) };
  return {
    async *[Symbol.asyncIterator]() {
      for await (const { parked } of serverStream(channel, call, options)) {
        for (const one of parked) {
          signal?.throwIfAborted();
          yield toParkedEvent(one);
        }
      }
    },
  };
}

export async function replayParked(
  channel: Channel,
  group: string,
  { stream = '', version = 0, ...options }: ParkedSelection,
): Promise<number> {
  const message = { group, stream, version: toUint64(version, 'version') };
  const call = { method: replay, request: encode(ReplayParkedRequest, message) };
  return (await unary(channel, call, options)).count;
}

export async function dropParked(
  channel: Channel,
  group: string,
  { stream = '', version = 0, all = false, ...options }: DropParkedOptions,
): Promise<number> {
  const message = { group, stream, version: toUint64(version, 'version'), all };
  const call = { method: drop, request: encode(DropParkedRequest, message) };
  return (await unary(channel, call, options)).count;
}

function toParkedEvent({ parkTime, event, ...parked }: ProtoParkedEvent): ParkedEvent {
  return {
    ...parked,
    parkTime: toCommitTime(parkTime ?? { seconds: 0n, nanos: 0 }).commitTime,
    event: event && toRecordedEvent(event),
  };
}
