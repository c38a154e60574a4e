import {
  constants,
  type ClientHttp2Session,
  type ClientHttp2Stream,
  type OutgoingHttpHeaders,
} from 'node:http2';
import { status } from '@grpc/grpc-js';
import { endingIn, plainEnding, type Ending } from './ending';
import { framesOf, type Frame } from './frames';

/** A call of gRPC that the gateway makes to itself. */
export class InnerCall {
  /** How it ended; undefined: it is under way, or has ended without a status. */
  ending: Ending | undefined;
  readonly stream: ClientHttp2Stream;

  constructor(session: ClientHttp2Session, path: string, metadata: OutgoingHttpHeaders) {
    const headers = {
      ':method': 'POST',
      ':path': path,
      'content-type': 'application/grpc+proto',
      te: 'trailers',
    };
    this.stream = session.request({ ...headers, ...metadata });
    this.stream.on('response', this.note).on('trailers', this.note);
    this.stream.on('error', () => undefined); // `messages` throws it
  }

  /** The messages that come; then `end` has the status. */
  async *messages(): AsyncGenerator<Frame, void> {
    try {
      yield* framesOf(this.stream as AsyncIterable<Buffer>);
    } catch (error) {
      // A status that has come is what counts.
      this.ending ??= plainEnding(status.UNAVAILABLE, `the call was cut off: ${(error as Error).message}`);
    }
  }

  /** To be asked for after the last message. */
  end(): Ending {
    return this.ending ?? plainEnding(status.UNAVAILABLE, 'the call was cut off');
  }

  /** Gives it up, unless it is over. */
  cancel(): void {
    if (!this.stream.closed) this.stream.close(constants.NGHTTP2_CANCEL);
    this.stream.destroy(); // with what it has not sent
  }

  private readonly note = (headers: Parameters<typeof endingIn>[0]): void => {
    this.ending ??= endingIn(headers);
  };
}
