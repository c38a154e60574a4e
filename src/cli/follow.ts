import { AccessDeniedError, type SubscribeOptions } from '../client/client';
import type { Context } from './command';
import { printEvent, type EventStyle } from './event-text';
import { exitCode } from './failure';
import { skippedMessage } from './unreadable';

/** How to print a subscription. */
export interface Following {
  readonly style: EventStyle;
  /** The command ends after this many events; undefined: only when it is interrupted. */
  readonly maxCount: bigint | undefined;
  /** True: unreadable messages are skipped and reported; otherwise the command fails there. */
  readonly skipsUnreadable?: boolean;
}

/** Prints events as they are stored. Fails if the gateway is unavailable at the start; later it waits for the gateway. */
export async function follow(
  { client, deadlineMs, signal, out, err }: Context,
  options: SubscribeOptions,
  { style, maxCount, skipsUnreadable = false }: Following,
): Promise<number> {
  if (maxCount === 0n) return exitCode.ok;
  await client.serverInfo({ deadlineMs, signal }).catch((error: unknown) => {
    // The gateway answers, and need not tell more.
    if (!(error instanceof AccessDeniedError)) throw error;
  });
  const subscription = client.subscribe({
    ...options,
    signal,
    onUnreadable: skipsUnreadable ? (message) => err.line(skippedMessage(message)) : undefined,
    onReconnect(error) {
      void err.line(`sluice: ${error.message}; trying again`);
    },
  });
  let count = 0n;
  for await (const event of subscription) {
    await printEvent(out, event, style);
    if (++count === maxCount) break;
  }
  return exitCode.ok;
}
