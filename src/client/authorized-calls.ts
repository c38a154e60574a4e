import {
  sendDuplexStream,
  sendServerStream,
  sendUnary,
  toDeadline,
  type Call,
  type CallOptions,
  type Duplex,
  type DuplexListener,
  type StreamOptions,
} from './calls';
import type { Channel } from './channel';
import { DuplexWithToken, type Send } from './duplex-with-token';
import type { TokenSource } from './token';

/** The calls of calls.ts with a token, if the channel has one. A call whose token is refused is made again once, with a new one. */

/** Like `sendUnary`. */
export function unary<Response>(
  channel: Channel,
  call: Call<Response>,
  options: CallOptions,
): Promise<Response> {
  const { metadata, tokens } = channel;
  if (tokens === undefined) return sendUnary(channel, call, { ...options, metadata });
  return unaryWithToken(channel, tokens, call, options);
}

async function unaryWithToken<Response>(
  channel: Channel,
  tokens: TokenSource,
  call: Call<Response>,
  { signal, deadlineMs = channel.deadlineMs }: CallOptions,
): Promise<Response> {
  const endMs = toDeadline(deadlineMs);
  const metadata = await tokens.forCall({ signal, endMs });
  try {
    return await sendUnary(channel, call, { signal, deadlineMs: msUntil(endMs), metadata });
  } catch (error) {
    if (!tokens.isRefused(error, metadata)) throw error;
  }
  const renewed = await tokens.forCall({ signal, endMs });
  return await sendUnary(channel, call, { signal, deadlineMs: msUntil(endMs), metadata: renewed });
}

/** Like `sendServerStream`. A call that has had a response is not made again. */
export function serverStream<Response>(
  channel: Channel,
  call: Call<Response>,
  options: StreamOptions,
): AsyncGenerator<Response, void> {
  const { metadata, tokens } = channel;
  if (tokens === undefined) return sendServerStream(channel, call, { ...options, metadata });
  return serverStreamWithToken(channel, tokens, call, options);
}

async function* serverStreamWithToken<Response>(
  channel: Channel,
  tokens: TokenSource,
  call: Call<Response>,
  { signal, deadlineMs = Infinity, silentMsMax }: StreamOptions,
): AsyncGenerator<Response, void> {
  const endMs = toDeadline(deadlineMs);
  for (let attempt = 1; ; attempt++) {
    const metadata = await tokens.forCall({ signal, endMs });
    let hasResponse = false;
    try {
      const options = { signal, deadlineMs: msUntil(endMs), metadata, silentMsMax };
      for await (const response of sendServerStream(channel, call, options)) {
        hasResponse = true;
        yield response;
      }
      return;
    } catch (error) {
      const isRefused = tokens.isRefused(error, metadata);
      if (hasResponse || attempt === 2 || !isRefused) throw error;
    }
  }
}

/** Like `sendDuplexStream`. A call that has had a response is not made again; until then, its requests are kept. */
export function duplexStream(
  channel: Channel,
  method: { readonly path: string },
  options: CallOptions,
  listener: DuplexListener,
): Duplex {
  const { metadata, tokens } = channel;
  if (tokens === undefined) return sendDuplexStream(channel, method, { ...options, metadata }, listener);
  const { signal, deadlineMs = Infinity } = options;
  signal?.throwIfAborted();
  channel.closed.throwIfAborted();
  const endMs = toDeadline(deadlineMs);
  const send: Send = (withToken, attempt) =>
    sendDuplexStream(channel, method, { signal, deadlineMs: msUntil(endMs), metadata: withToken }, attempt);
  return new DuplexWithToken(listener, tokens, { signal, endMs }, send);
}

/** At least 1: a deadline that has passed ends the call as any other. */
function msUntil(endMs: number): number {
  return Math.max(1, endMs - Date.now());
}
