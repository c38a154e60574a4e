import type { SubscribeOptions } from '../client/client';
import type { Context } from './command';
import { printEvent, type EventStyle } from './event-text';
import { exitCode, withoutNote } from './failure';
import { passedOver } from './unreadable';

/** What of a subscription to print, and how. */
export interface Following {
  readonly style: EventStyle;
  /** Ends after this many events; undefined: goes on until it is interrupted. */
  readonly maxCount: bigint | undefined;
  /** Passes over what cannot be read, and names it; otherwise it ends there. */
  readonly skipsUnreadable?: boolean;
}

/** Prints events as they are stored. A gateway that goes away is waited for, one that is not there at first is not. */
export async function follow(
  { client, deadlineMs, signal, out, err }: Context,
  options: SubscribeOptions,
  { style, maxCount, skipsUnreadable = false }: Following,
): Promise<number> {
  if (maxCount === 0n) return exitCode.ok;
  await client.serverInfo({ deadlineMs, signal });
  const subscription = client.subscribe({
    ...options,
    signal,
    onUnreadable: skipsUnreadable ? (message) => err.line(passedOver(message)) : undefined,
    onReconnect(error) {
      void err.line(`sluice: ${withoutNote(error.message)}; trying again`);
    },
  });
  let count = 0n;
  for await (const event of subscription) {
    await printEvent(out, event, style);
    if (++count === maxCount) break;
  }
  return exitCode.ok;
}
