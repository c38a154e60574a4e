import { randomBytes } from 'node:crypto';
import type { Logger } from 'pino';
import type { Config } from './config/config';
import type { LogLevel } from './config/log-level';
import { reachNats } from './reach-nats';
import { Publication } from './replica/share/publication';
import type { Role } from './role';
import { shareLimits } from './workers/share-limits';
import { startWorkers } from './workers/workers';

/**
 * The process that writes the replica, and runs the embedded nats-server; others serve gRPC. `relay` gets the lines that they log.
 */
export function primary(
  { workers: count, ...config }: Config,
  log: Logger,
  relay: (line: string) => void,
): Role {
  const { limits, address } = config;
  const publication = new Publication(limits);
  return {
    reachNats,
    callerShare: 1,
    sharing: { publication },
    serve({ tls }, { nats: { options: nats, level, embedded, durability }, space, removal }) {
      const start = {
        config: {
          ...config,
          workers: 1,
          httpAddress: undefined,
          nats: { kind: 'external', options: nats } as const,
          limits: shareLimits(limits, count),
        },
        nats,
        level,
        embedded: embedded !== undefined,
        callerShare: 1 / count,
        ticketSecret: randomBytes(32),
      };
      return startWorkers({
        ...{ publication, durability, space, removal, address, tls, count, limits, log, relay },
        // The level may have changed since the start.
        startOf: (number) => ({
          ...start,
          number,
          config: { ...start.config, logLevel: log.level as LogLevel },
        }),
      });
    },
  };
}
