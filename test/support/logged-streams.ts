import { connect, type JetStreamManager, type StoredMsg } from 'nats';
import { CommitRecord, type RecordedEvent } from '../../generated/sluice/v1/event';
import { ControlRecord } from '../../generated/sluice/v1/stream_service';
import type { LoggedControl } from './control-history';

/** What the log has of a stream, hidden or not. */
export interface LoggedStream {
  readonly events: RecordedEvent[];
  readonly logged: LoggedControl[];
}

const together = 64;

/** The whole log by stream, read without a gateway. Every commit must be one message. */
export async function readLog(
  urls: readonly string[],
  name = 'EVENTS',
  prefix = 'es.',
): Promise<Map<string, LoggedStream>> {
  const nats = await connect({ servers: [...urls] });
  try {
    const manager = await nats.jetstreamManager();
    const { first_seq: first, last_seq: last } = (await manager.streams.info(name)).state;
    const streams = new Map<string, LoggedStream>();
    for (let begin = first; begin <= last; begin += together) {
      const count = Math.min(together, last - begin + 1);
      const positions = Array.from({ length: count }, (_, index) => begin + index);
      const messages = await Promise.all(positions.map((seq) => messageAt(manager, name, seq)));
      for (const message of messages) if (message.subject.startsWith(prefix)) add(streams, message, prefix);
    }
    return streams;
  } finally {
    await nats.close();
  }
}

async function messageAt(manager: JetStreamManager, name: string, seq: number): Promise<StoredMsg> {
  return manager.streams.getMessage(name, { seq });
}

function add(streams: Map<string, LoggedStream>, message: StoredMsg, prefix: string): void {
  const { subject, seq, header, data } = message;
  const name = subject.slice(prefix.length);
  const stream = streams.get(name) ?? { events: [], logged: [] };
  streams.set(name, stream);
  const position = BigInt(seq);
  const kind = header.get('Sluice-Control');
  if (kind === '') {
    const { events } = CommitRecord.decode(data);
    stream.events.push(...events.map((event) => ({ ...event, position })));
    return;
  }
  const { firstVersion, control } = ControlRecord.decode(data);
  const range =
    control?.$case === 'erase' ? { from: control.value.fromVersion, to: control.value.toVersion } : undefined;
  stream.logged.push({
    kind: kind as LoggedControl['kind'],
    commitId: header.get('Nats-Msg-Id'),
    position,
    version: BigInt(header.get('Sluice-Version')),
    firstVersion,
    range,
  });
}
