import type { Logger } from 'pino';
import { isAuthError, UnauthenticatedError } from '../auth/errors';
import type { Guard } from '../auth/guard';
import { anonymous, type Identity } from '../auth/identity';
import type { Limits } from '../limits';
import { OverloadedError } from '../store/errors';
import { createAccessOf } from './access';
import type { CallAudit } from './call-audit';
import type { Connection } from './connections';
import { UnexpectedError } from './failure';
import type { Incoming } from './incoming';
import type { InnerCall } from './inner-call';
import type { ShareOf } from './shares';
import { WaitingCalls } from './waiting-calls';

/** Reflection is for everybody, for callers with a credential, or for nobody, since the service is not there. */
export type ReflectionMode = 'on' | 'authenticated' | 'off';

export interface IdentifyOptions {
  readonly guard: Guard;
  readonly reflection: ReflectionMode;
  /** Whether the principal of each commit is stored beside it. */
  readonly recordPrincipal: boolean;
  readonly shareOf: ShareOf;
  readonly audit: CallAudit;
  readonly limits: Limits;
  readonly log: Logger;
}

/** A call whose request has not been read. */
export interface ArrivingCall {
  readonly call: InnerCall;
  readonly incoming: Incoming;
  readonly path: string;
  readonly connection: Connection;
}

/**
 * Identifies the caller of a call, whose request is read once the call starts. A caller without an identity, or with too many calls,
 * is refused, and the request is never read.
 */
export interface Identify {
  (arriving: ArrivingCall): void;
  /** How many callers are being identified. */
  waiting(): number;
}

const health = /^\/grpc\.health\./;
const reflection = /^\/grpc\.reflection\./;

export function createIdentify({
  guard,
  limits,
  log,
  shareOf,
  audit,
  ...options
}: IdentifyOptions): Identify {
  const accessOf = createAccessOf(guard, options.recordPrincipal);
  const everybody = accessOf(anonymous);
  const isOff = !guard.isOn && options.reflection !== 'authenticated';
  const waiting = new WaitingCalls(limits);

  const admit = ({ incoming, path, connection }: ArrivingCall, identity: Identity): void => {
    if (identity.credential.kind === 'none' && reflection.test(path))
      throw new UnauthenticatedError('missing', 'the call has no credential');
    const access = accessOf(identity);
    incoming.identify(access, shareOf(access, connection));
  };
  const refuse = ({ incoming, path, connection }: ArrivingCall, error: unknown): void => {
    if (isAuthError(error)) audit.denied(error, { access: incoming.identified, path, connection });
    const isExpected = isAuthError(error) || error instanceof OverloadedError;
    if (!isExpected) {
      // Without its fields, which may have something of the credential.
      const { requestId } = incoming;
      log.error({ stack: (error as Error).stack, rpc: path, requestId }, 'a caller could not be identified');
    }
    incoming.refuseCaller(isExpected ? error : new UnexpectedError(error));
  };

  /** Holds the start of the call back, so that nothing is read, until the caller is identified. */
  const wait = async (arriving: ArrivingCall, identifying: Promise<Identity>): Promise<void> => {
    const start = holdStart(arriving.call);
    try {
      admit(arriving, await waiting.wait(arriving.connection, identifying));
      if (!arriving.incoming.isOver) start();
    } catch (error) {
      refuse(arriving, error);
    }
  };

  const identify = (arriving: ArrivingCall): void => {
    const { incoming, path, connection } = arriving;
    try {
      if (isOff || health.test(path) || (options.reflection === 'on' && reflection.test(path))) {
        incoming.identify(everybody, shareOf(everybody, connection));
        return;
      }
      const identity = identityOf(guard, arriving, limits);
      if (identity instanceof Promise) void wait(arriving, identity);
      else admit(arriving, identity);
    } catch (error) {
      refuse(arriving, error);
    }
  };
  return Object.assign(identify, { waiting: () => waiting.size });
}

/** Most calls of a connection have the token of the call before, which need not be looked at again. */
function identityOf(
  guard: Guard,
  { call, connection }: ArrivingCall,
  limits: Limits,
): Identity | Promise<Identity> {
  const authorization = call.metadata.get('authorization')[0]?.toString();
  call.metadata.remove('authorization'); // a call may stay open for days, and must not keep a secret
  const { generation } = guard;
  const { knownToken: known, identifying } = connection;
  const isKnown = known?.authorization === authorization && known?.generation === generation;
  if (isKnown && guard.remembers(known.identity)) return known.identity;
  const begun = identifying.get(authorization);
  if (begun !== undefined) return begun;
  const note = (identity: Identity): Identity => {
    if (authorization !== undefined) connection.knownToken = { authorization, generation, identity };
    return identity;
  };
  const isBusy = identifying.size >= limits.connectionIdentifyingMax;
  const identity = guard.identify({ authorization, certificate: connection.certificate, isBusy });
  if (!(identity instanceof Promise)) return note(identity);
  const identified = inTime(identity.then(note), limits).finally(() => identifying.delete(authorization));
  identifying.set(authorization, identified);
  return identified;
}

/** Throws OverloadedError. */
async function inTime(identifying: Promise<Identity>, { identifyTimeoutMs }: Limits): Promise<Identity> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    const message = `the caller could not be identified within ${identifyTimeoutMs} ms`;
    timer = setTimeout(() => {
      reject(new OverloadedError('identifyTimeoutMs', message));
    }, identifyTimeoutMs).unref();
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
