import { InterceptingCall, type ClientOptions, type Interceptor } from '@grpc/grpc-js';

/** Options of a client that sends this token with each call; undefined: it sends no credential. */
export function withToken(token: string | undefined): Pick<ClientOptions, 'interceptors'> {
  if (token === undefined) return {};
  const interceptor: Interceptor = (options, nextCall) =>
    new InterceptingCall(nextCall(options), {
      start(metadata, listener, next) {
        metadata.set('authorization', `Bearer ${token}`);
        next(metadata, listener);
      },
    });
  return { interceptors: [interceptor] };
}
