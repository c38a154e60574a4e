import type { Logger } from 'pino';
import { isAuthError, UnauthenticatedError } from '../auth/errors';
import type { Guard } from '../auth/guard';
import { anonymous, type Identity } from '../auth/identity';
import type { Limits } from '../limits';
import { OverloadedError } from '../store/errors';
import { createAccessOf } from './access';
import type { Connection } from './connections';
import { UnexpectedError } from './failure';
import type { Incoming, InnerCall } from './incoming';

/** Reflection is for everybody, for callers with a credential, or for nobody, since the service is not there. */
export type ReflectionMode = 'on' | 'authenticated' | 'off';

export interface IdentifyOptions {
  readonly guard: Guard;
  readonly reflection: ReflectionMode;
  readonly limits: Limits;
  readonly log: Logger;
}

/**
 * Identifies the caller of a call whose request has not been read, which begins with `start`. A caller without an identity is
 * refused, and the request is never read.
 */
export type Identify = (call: InnerCall, incoming: Incoming, path: string, connection: Connection) => void;

const health = /^\/grpc\.health\./;
const reflection = /^\/grpc\.reflection\./;

export function createIdentify({ guard, limits, log, ...options }: IdentifyOptions): Identify {
  const accessOf = createAccessOf(guard);
  const everybody = accessOf(anonymous);
  const isOff = !guard.isOn && options.reflection !== 'authenticated';
  let pending = 0;

  const admit = (incoming: Incoming, identity: Identity, path: string): void => {
    const access = accessOf(identity);
    const isKnown = identity.credential.kind !== 'none';
    if (!isKnown && reflection.test(path))
      refuse(incoming, new UnauthenticatedError('missing', 'the call has no credential'), path);
    else incoming.access = access;
  };
  const refuse = (incoming: Incoming, error: unknown, path: string): void => {
    const isExpected = isAuthError(error) || error instanceof OverloadedError;
    if (!isExpected) {
      // Without its fields, which may have something of the credential.
      log.error({ stack: (error as Error).stack, rpc: path }, 'a caller could not be identified');
    }
    incoming.refuseCaller(isExpected ? error : new UnexpectedError(error));
  };

  /** Holds the start of the call back, so that nothing is read, until the caller is identified. */
  const wait = async (
    call: InnerCall,
    incoming: Incoming,
    path: string,
    identifying: Promise<Identity>,
  ): Promise<void> => {
    const start = holdStart(call);
    pending++;
    try {
      admit(incoming, await inTime(identifying, limits), path);
      if (!incoming.isOver) start();
    } catch (error) {
      refuse(incoming, error, path);
    } finally {
      pending--;
    }
  };

  return (call, incoming, path, connection) => {
    if (isOff || health.test(path) || (options.reflection === 'on' && reflection.test(path))) {
      incoming.access = everybody;
      return;
    }
    try {
      const authorization = call.metadata.get('authorization')[0]?.toString();
      const identity = guard.identify({ authorization, certificate: connection.certificate });
      if (!(identity instanceof Promise)) admit(incoming, identity, path);
      else if (pending < limits.identifyingMax) void wait(call, incoming, path, identity);
      else {
        identity.catch(() => undefined); // nobody waits for it
        throw new OverloadedError(`${pending} callers are being identified already`);
      }
    } catch (error) {
      refuse(incoming, error, path);
    }
  };
}

/** Throws OverloadedError. */
async function inTime(identifying: Promise<Identity>, { identifyTimeoutMs }: Limits): Promise<Identity> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    const message = `the caller could not be identified within ${identifyTimeoutMs} ms`;
    timer = setTimeout(() => {
      reject(new OverloadedError(message));
    }, identifyTimeoutMs);
  });
  try {
    return await Promise.race([identifying, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Returns a function that starts the call, if that was asked for meanwhile or is asked for later. */
function holdStart(call: InnerCall): () => void {
  const start = call.start.bind(call);
  let listener: unknown;
  let isStarted = false;
  call.start = (given) => {
    if (isStarted) start(given);
    else listener = given;
  };
  return () => {
    isStarted = true;
    if (listener !== undefined) start(listener);
  };
}
