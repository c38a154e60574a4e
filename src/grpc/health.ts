import type { handleServerStreamingCall, Server } from '@grpc/grpc-js';
import { HealthImplementation, service } from 'grpc-health-check';
import type { Calls } from './calls';

/** grpc.health.v1: of the gateway as a whole, which is the service "", and of each service. */
export interface Health {
  readonly setServing: (serving: boolean) => void;
}

/** Adds the service; it is not serving at first. The package is left as it is, but for long watches at a stop. */
export function addHealth(server: Server, services: readonly string[], calls: Calls): Health {
  const health = new HealthImplementation();
  const setServing = (serving: boolean): void => {
    for (const name of ['', ...services]) health.setStatus(name, serving ? 'SERVING' : 'NOT_SERVING');
  };
  setServing(false);
  health.addToServer({
    addService(_definition, implementation) {
      const watch = implementation['watch'] as handleServerStreamingCall<unknown, unknown>;
      server.addService(service, { ...implementation, watch: calls.openEnded(watch) });
    },
  });
  return { setServing };
}
