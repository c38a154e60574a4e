import { CallError, errorOf } from './call-error';
import { framesOf, oneFrame } from './frames';
import type { StreamMethods, UnaryMethods } from './methods';
import { token } from './token';

/** How long a call with one response may take. */
const unaryTimeoutMs = 30_000;
const endFlag = 2;
const compressedFlag = 1;

/** Calls a method with one response. Throws CallError, and what `signal` is aborted with. */
export async function call<M extends keyof UnaryMethods>(
  method: M,
  request: UnaryMethods[M]['request'],
  signal: AbortSignal,
): Promise<UnaryMethods[M]['response']> {
  const both = AbortSignal.any([signal, AbortSignal.timeout(unaryTimeoutMs)]);
  const response = await post(method, 'application/json', JSON.stringify(request), both);
  if (!response.ok) throw await failure(response);
  return (await json(response)) as UnaryMethods[M]['response'];
}

/** Calls a method with a stream of responses. Throws as `call` does, also in the middle. To leave the loop ends the call. */
export async function* stream<M extends keyof StreamMethods>(
  method: M,
  request: StreamMethods[M]['request'],
  signal: AbortSignal,
): AsyncGenerator<StreamMethods[M]['response']> {
  const left = new AbortController();
  const both = AbortSignal.any([signal, left.signal]);
  try {
    const body = oneFrame(JSON.stringify(request));
    const response = await post(method, 'application/connect+json', body, both);
    if (!response.ok || response.body === null) throw await failure(response);
    if (!(response.headers.get('content-type') ?? '').startsWith('application/connect+json'))
      throw new CallError(
        'internal',
        'the response is not a Connect stream: is something else at this address?',
      );
    yield* messages(chunksOf(response.body), signal);
  } finally {
    left.abort();
  }
}

async function* messages<T>(chunks: AsyncIterable<Uint8Array>, signal: AbortSignal): AsyncGenerator<T> {
  try {
    for await (const { flags, text } of framesOf(chunks)) {
      if ((flags & compressedFlag) !== 0) throw new CallError('internal', 'the response is compressed');
      const message = JSON.parse(text) as { error?: unknown };
      if ((flags & endFlag) === 0) {
        yield message as T;
        continue;
      }
      if (message.error !== undefined) throw errorOf(message.error, 'unknown');
      return;
    }
  } catch (error) {
    if (error instanceof CallError || signal.aborted) throw error;
    throw new CallError('unreachable', `the connection broke: ${reasonOf(error)}`);
  }
  throw new CallError('unreachable', 'the connection ended before the response was complete');
}

/** Not by the stream's own iterator, which not every browser has. */
async function* chunksOf(body: ReadableStream<Uint8Array>): AsyncGenerator<Uint8Array> {
  const reader = body.getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      yield value;
    }
  } finally {
    reader.cancel().catch(() => undefined);
  }
}

async function post(
  method: string,
  type: string,
  body: string | Uint8Array<ArrayBuffer>,
  signal: AbortSignal,
): Promise<Response> {
  const credential = token();
  const headers: Record<string, string> = { 'content-type': type, 'connect-protocol-version': '1' };
  if (credential !== undefined) headers.authorization = `Bearer ${credential}`;
  try {
    // Relative to the page, so that a proxy may put a path before both.
    const url = new URL(`sluice.v1.${method}`, document.baseURI);
    return await fetch(url, {
      method: 'POST',
      headers,
      body,
      signal,
      credentials: 'omit',
      cache: 'no-store',
    });
  } catch (error) {
    if (signal.aborted && !isTimeout(signal.reason)) throw error;
    const reason = isTimeout(error) ? 'no response came in time' : 'the gateway cannot be reached';
    throw new CallError('unreachable', reason);
  }
}

async function failure(response: Response): Promise<CallError> {
  const status = `HTTP status ${response.status.toString()}`;
  try {
    return errorOf(await response.json(), status);
  } catch {
    return new CallError(status, 'the response is not of a gateway: is something else at this address?');
  }
}

async function json(response: Response): Promise<unknown> {
  try {
    return await response.json();
  } catch {
    throw new CallError('internal', 'the response is not JSON');
  }
}

function isTimeout(error: unknown): boolean {
  return error instanceof DOMException && error.name === 'TimeoutError';
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
