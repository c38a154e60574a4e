import type { Limits } from '../limits';
import type { AccessWatch } from './access-watch';
import type { AnyCall, CallScope } from './call-scope';
import type { Service } from './enter-call';
import type { OpenCalls } from './open-calls';
import { failRead, sendAll, type Messages, type StreamingCall } from './send-all';
import type { Slots } from './slots';

/** What calls of one kind that respond with a stream have in common. */
interface StreamKind {
  readonly slots: Slots;
  /** Bytes that may wait for one caller. */
  readonly unsentBytesMax: () => number;
  /** Where calls are that append nothing. */
  readonly open: OpenCalls | undefined;
  readonly watch: AccessWatch;
  readonly limits: Limits;
}

type StreamService = (
  call: StreamingCall & AnyCall,
  handler: (caller: CallScope) => Messages | Promise<Messages>,
) => Service;

export function streamsOf({ slots, open, watch, ...sending }: StreamKind): StreamService {
  return (call, handler) => ({
    async serve(caller) {
      const leave = slots.take(caller);
      const number = open?.add(caller);
      const watched = watch.add(caller);
      try {
        await sendAll(call, await handler(caller), caller, sending);
      } finally {
        if (number !== undefined) open?.delete(number);
        watch.delete(watched);
        leave();
      }
    },
    fail(status) {
      failRead(call, status, sending.limits);
    },
  });
}

const subscriptionBytesMin = 4 << 10;

/** Bytes that may wait for one of this number of subscribers. */
export function shareOf(
  { subscriptionBytesMax, subscriptionsBytesMax }: Limits,
  subscriptions: number,
): number {
  const share = Math.floor(subscriptionsBytesMax / Math.max(1, subscriptions));
  return Math.max(subscriptionBytesMin, Math.min(subscriptionBytesMax, share));
}
