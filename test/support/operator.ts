import { setTimeout as sleep } from 'node:timers/promises';
import { connect, nanos, type JetStreamManager } from 'nats';

/** What an operator does to the log of a store while it is in use, and then reverts. */
export interface Hand {
  readonly name: string;
  (streams: JetStreamManager['streams']): Promise<void>;
}

const log = 'EVENTS';
const mirror = 'SOAK_MIRROR';
const holdMs = 2_500;

export const hands: readonly Hand[] = [
  named('the log is mirrored', async (streams) => {
    await streams.add({ name: mirror, mirror: { name: log } });
    await sleep(holdMs);
    await streams.delete(mirror);
  }),
  named('the log is full', async (streams) => {
    const { state } = await streams.info(log);
    await edited(streams, { max_bytes: state.bytes + 20_000 }, { max_bytes: -1 });
  }),
  named('the log remembers ids for 200 ms', async (streams) => {
    const { config } = await streams.info(log);
    const { duplicate_window } = config;
    await edited(streams, { duplicate_window: nanos(200) }, { duplicate_window });
  }),
  named('the log takes smaller messages', (streams) =>
    edited(streams, { max_msg_size: 4_096 }, { max_msg_size: -1 }),
  ),
];

function named(name: string, hand: (streams: JetStreamManager['streams']) => Promise<void>): Hand {
  return Object.defineProperty(hand, 'name', { value: name });
}

async function edited(
  streams: JetStreamManager['streams'],
  to: Parameters<JetStreamManager['streams']['update']>[1],
  back: typeof to,
): Promise<void> {
  await streams.update(log, to);
  await sleep(holdMs);
  await streams.update(log, back);
}

/** Retries an edit of the operator until a server accepts it. */
export async function operate(urls: readonly string[], hand: Hand): Promise<void> {
  const connection = await connect({ servers: [...urls], timeout: 10_000 });
  try {
    const { streams } = await connection.jetstreamManager();
    await hand(streams);
  } finally {
    await connection.close();
  }
}
