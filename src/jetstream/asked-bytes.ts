import { defaultLimits } from '../limits';
import type { Link } from './link';

// It follows from what nats-server does, so it cannot be set.
const { fetchesBytesMax } = defaultLimits;

interface Asked {
  bytes: number;
  /** In the order in which they came. */
  readonly waiting: { readonly bytes: number; readonly begin: () => void }[];
}

const askedOf = new WeakMap<Link, Asked>();

/** Does something that asks for so many bytes, as soon as there is room for them; throws the signal's reason before. */
export async function whenThereIsRoom<T>(
  link: Link,
  bytes: number,
  signal: AbortSignal | undefined,
  ask: () => Promise<T>,
): Promise<T> {
  const asked = askedOf.get(link) ?? { bytes: 0, waiting: [] };
  askedOf.set(link, asked);
  await takeRoom(asked, bytes, signal);
  try {
    return await ask();
  } finally {
    asked.bytes -= bytes;
    beginNext(asked);
  }
}

function takeRoom(asked: Asked, bytes: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const leave = (): void => {
      asked.waiting.splice(asked.waiting.indexOf(waiter), 1);
      reject(signal?.reason as Error);
      // It may have been the one that was too large for the room there is.
      beginNext(asked);
    };
    const begin = (): void => {
      signal?.removeEventListener('abort', leave);
      resolve();
    };
    const waiter = { bytes, begin };
    asked.waiting.push(waiter);
    signal?.addEventListener('abort', leave, { once: true });
    beginNext(asked);
  });
}

/** One that is larger than all the room there is goes alone. */
function beginNext(asked: Asked): void {
  for (;;) {
    const [next] = asked.waiting;
    if (next === undefined) return;
    if (asked.bytes > 0 && asked.bytes + next.bytes > fetchesBytesMax) return;
    asked.waiting.shift();
    asked.bytes += next.bytes;
    next.begin();
  }
}
