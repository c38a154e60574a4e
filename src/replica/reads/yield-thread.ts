import type { CallContext } from '../../store/event-store';

/** Lets other calls run before a long read continues. Throws the reason if the signal has aborted. */
export async function yieldThread({ signal }: CallContext): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
  signal.throwIfAborted();
}
