import { connect } from 'nats';

/** How many messages of the log were stored on condition that a commit id is before them. */
export async function chainedMessages(url: string): Promise<number> {
  const connection = await connect({ servers: url });
  try {
    const { streams } = await connection.jetstreamManager();
    const { state } = await streams.info('EVENTS');
    let count = 0;
    for (let seq = state.first_seq; seq <= state.last_seq; seq++) {
      const { header } = await streams.getMessage('EVENTS', { seq });
      if (header.has('Nats-Expected-Last-Msg-Id')) count++;
    }
    return count;
  } finally {
    await connection.close();
  }
}
