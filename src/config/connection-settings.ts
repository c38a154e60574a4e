import { integer } from './setting-values';

/** The connections to NATS. */
export const connectionSettings = {
  connectTimeoutMs: {
    group: 'connections',
    default: '10000',
    schema: integer(1, 3_600_000),
    description: 'How long the start tries to reach NATS, in milliseconds.',
  },
  appendConnections: {
    group: 'connections',
    default: '1',
    schema: integer(1, 64),
    description: 'NATS connections that carry appends.',
  },
  readConnections: {
    group: 'connections',
    default: '1',
    schema: integer(1, 64),
    description: 'NATS connections that carry reads.',
  },
} as const;
