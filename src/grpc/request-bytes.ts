import { Incoming, type InnerCall } from './incoming';

/** The bytes of the only request of a call. grpc-js keeps what it is given until the call has ended. */
export class RequestBytes {
  constructor(private bytes: Buffer | undefined) {}

  /** Gives them away; there are none later. */
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

/** What comes for a call of grpc-js. */
export function incomingOf(call: object): Incoming {
  const { decoder } = innerOf(call);
  if (!(decoder instanceof Incoming)) throw new Error('a call that no interceptor has seen');
  return decoder;
}

export function innerOf(call: object): InnerCall {
  return (call as { readonly call: InnerCall }).call;
}
