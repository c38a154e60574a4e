import { Incoming } from './incoming';
import type { InnerCall } from './inner-call';

/** The bytes of a single request. grpc-js keeps the object until the call has ended, so the bytes can be taken out of it. */
export class RequestBytes {
  constructor(private bytes: Buffer | undefined) {}

  /** Can be called once. */
  take(): Buffer {
    const { bytes } = this;
    this.bytes = undefined;
    if (bytes === undefined) throw new Error('the request was taken already');
    return bytes;
  }
}

interface Call {
  readonly request: RequestBytes;
}

export function takeRequest(call: Call): Buffer {
  incomingOf(call).taken();
  return call.request.take();
}

/** What comes for a call. */
export function incomingOf(call: object): Incoming {
  const { decoder } = innerOf(call);
  if (!(decoder instanceof Incoming)) throw new Error('a call that was not admitted');
  return decoder;
}

export function innerOf(call: object): InnerCall {
  return (call as { readonly call: InnerCall }).call;
}
