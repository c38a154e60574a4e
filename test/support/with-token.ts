import { InterceptingCall, type ClientOptions, type Interceptor } from '@grpc/grpc-js';

/** A token, or a function that returns the one to send with the next call; undefined: no credential. */
export type TestToken = string | (() => string) | undefined;

/** Options of a client that sends this token with each call. */
export function withToken(token: TestToken): Pick<ClientOptions, 'interceptors'> {
  if (token === undefined) return {};
  const ask = typeof token === 'string' ? () => token : token;
  const interceptor: Interceptor = (options, nextCall) =>
    new InterceptingCall(nextCall(options), {
      start(metadata, listener, next) {
        // At once: grpc-js forgets a call whose deadline passes before it starts.
        metadata.set('authorization', `Bearer ${ask()}`);
        next(metadata, listener);
      },
    });
  return { interceptors: [interceptor] };
}
