import type { Logger } from 'pino';
import { startGateway, type Gateway } from './gateway';
import { startGrpcServer } from './grpc/server';
import type { Role } from './role';
import { leftToNats } from './store/durability';
import { followDisk } from './workers/follow-disk';
import { followRemoval } from './workers/follow-removal';
import type { WorkerStart } from './workers/messages';
import { durabilityOver, replicaLink, type PrimaryLink } from './workers/primary-link';

/** Starts a worker of a gateway: it serves the connections that its primary accepts. Throws StartError. */
export function startWorker(start: WorkerStart, link: PrimaryLink, log: Logger): Promise<Gateway> {
  const { nats: options, level, embedded, config, ticketSecret } = start;
  const durability = level === 'fsyncAlways' ? durabilityOver(link) : leftToNats;
  const disk = followDisk(link);
  const removals = followRemoval(link);
  const role: Role = {
    reachNats: () => Promise.resolve({ options, level, durability, embedded: undefined }),
    callerShare: start.callerShare,
    sharing: { replicaLink: replicaLink(link) },
    serve(server, { space, removal }) {
      disk.into(space);
      removals.into(removal);
      return startGrpcServer({
        ...server,
        tls: server.tls && { ...server.tls, ticketSecret },
        about: { ...server.about, embedded },
        accept(take) {
          link.onConnection(take);
        },
      });
    },
  };
  return startGateway({ ...config, createStore: false }, log, role);
}
