import type {
  handleServerStreamingCall,
  handleUnaryCall,
  Server,
  UntypedHandleCall,
  UntypedServiceImplementation,
} from '@grpc/grpc-js';
import { HealthImplementation, service } from 'grpc-health-check';
import type { Calls } from './calls';
import { addService, type Entered } from './enter-call';

/** grpc.health.v1: the health of the gateway as a whole, which is the service "", of each service, of appends, and of reads. */
export interface Health {
  readonly setServing: (serving: boolean) => void;
  /** NOT_SERVING from now on, whatever else is reported. */
  readonly leave: () => void;
  /** Whether the store has space for more. */
  readonly setTakesAppends: (takes: boolean) => void;
  /** Whether what is stored can be read. */
  readonly setAnswersReads: (answers: boolean) => void;
  /** What is SERVING. */
  readonly current: () => Serving;
}

export interface Serving {
  readonly gateway: boolean;
  readonly append: boolean;
  readonly read: boolean;
}

/**
 * The name of a further service: appends alone. A gateway whose store is full still serves reads, and another gateway of the
 * same store is no better, so a load balancer must keep sending calls to it.
 */
const appendService = 'append';
/** Reads alone: a gateway that has not read the whole log yet takes appends, while other gateways of the store serve reads. */
const readService = 'read';

/** Adds the service, NOT_SERVING at first. */
export function addHealth(server: Server, services: readonly string[], calls: Calls): Health {
  const health = new HealthImplementation();
  let isServing = false;
  let isLeaving = false;
  let takesAppends = true;
  let answersReads = true;
  const current = (): Serving => ({
    gateway: isServing,
    append: isServing && takesAppends,
    read: isServing && answersReads,
  });
  const reported = new Map<string, boolean>();
  // Watch sends every report, also of what has not changed.
  const report = (name: string, serves: boolean): void => {
    if (reported.get(name) === serves) return;
    reported.set(name, serves);
    health.setStatus(name, serves ? 'SERVING' : 'NOT_SERVING');
  };
  const setRead = (): void => {
    report(readService, current().read);
  };
  const setAppend = (): void => {
    report(appendService, current().append);
  };
  const setServing = (serving: boolean): void => {
    isServing = serving && !isLeaving;
    setAppend();
    setRead();
    for (const name of ['', ...services]) report(name, isServing);
  };
  setServing(false);
  health.addToServer({
    addService(_definition, implementation) {
      addService(server, service, entered(implementation, calls));
    },
  });
  return {
    current,
    setServing,
    leave() {
      isLeaving = true;
      setServing(false);
    },
    setTakesAppends(takes) {
      takesAppends = takes;
      setAppend();
    },
    setAnswersReads(answers) {
      answersReads = answers;
      setRead();
    },
  };
}

function entered(
  handlers: UntypedServiceImplementation,
  { foreignUnary, foreignStreaming }: Calls,
): Record<string, Entered<UntypedHandleCall>> {
  const enter = ({ originalName = '', responseStream }: (typeof service)[string]) => {
    const handler = handlers[originalName];
    return responseStream
      ? foreignStreaming(handler as handleServerStreamingCall<unknown, unknown>)
      : foreignUnary(handler as handleUnaryCall<unknown, unknown>);
  };
  return Object.fromEntries(Object.entries(service).map(([name, method]) => [name, enter(method)]));
}
