import type { IncomingMessage } from 'node:http';
import type { DescMethod } from '@bufbuild/protobuf';
import type { Limits } from '../limits';
import { OverloadedError } from '../store/errors';
import { inflated, TooLargeError, type Bodies, type Hold } from './body';
import { compressedFlag, frame, frameHeader, headerBytes } from './frames';
import type { InnerCall } from './inner-call';
import { BadJsonError, encodeJson } from './json';
import type { Protocol } from './protocols';

/** The tag of a field whose type no version of protobuf knows: no message begins with it. */
const undecodable = Buffer.from([0x07]);

/** Text takes more bytes than what it stands for: bytes in base64 a third more. */
const jsonFactor = 2;

export interface Sending {
  readonly request: IncomingMessage;
  readonly method: DescMethod;
  readonly protocol: Protocol;
  readonly bodies: Bodies;
  readonly limits: Limits;
  /** Of its message. */
  readonly bytesMax: number;
}

/**
 * Passes the request on to a call of gRPC. What is no message is passed on as one that gRPC refuses, so that there is one place where
 * calls are refused; resolves with what is wrong then. Throws OverloadedError and CancelledError.
 */
export async function sendRequest(call: InnerCall, sending: Sending): Promise<string | undefined> {
  const { request, protocol, bodies, bytesMax } = sending;
  const { stream } = call;
  const flags = request.headers[protocol.encodingHeader] === undefined ? 0 : compressedFlag;
  try {
    if (protocol.isJson) {
      const message = await bodies.use(
        { request, call: stream, bytesMax: jsonFactor * bytesMax },
        (body, hold) => messageIn(body, hold, sending),
      );
      stream.end(frame(0, message));
      return undefined;
    }
    if (!protocol.isFramed) {
      const declared = request.headers['content-length'];
      if (declared === undefined) {
        await bodies.use({ request, call: stream, bytesMax }, (body) => {
          stream.end(frame(flags, body));
          return Promise.resolve();
        });
        return undefined;
      }
      stream.write(frameHeader(flags, Math.min(Number(declared), 2 ** 32 - 1)));
    }
    request.pipe(stream);
    stream.once('close', () => {
      request.unpipe(stream);
      request.resume();
    });
    return undefined;
  } catch (error) {
    if (error instanceof TooLargeError) {
      stream.write(frameHeader(0, Math.min(error.bytes, 2 ** 32 - 1)));
      return undefined;
    }
    if (!(error instanceof BadJsonError)) throw error;
    stream.end(frame(0, undecodable));
    return error.message;
  }
}

/** The message of gRPC in a body of JSON. Throws BadJsonError, TooLargeError and OverloadedError. */
async function messageIn(
  body: Buffer,
  hold: Hold,
  { request, protocol, method, limits, bytesMax }: Sending,
): Promise<Buffer> {
  const encoding = request.headers[protocol.encodingHeader];
  const { flags, json } = protocol.isFramed
    ? onlyFrame(body)
    : { flags: encoding === undefined ? 0 : compressedFlag, json: body };
  const isCompressed = flags === compressedFlag && encoding !== 'identity';
  if (isCompressed && encoding !== 'gzip') throw new BadJsonError('is compressed in a way that is not gzip');
  const text = isCompressed ? await plain(json, jsonFactor * bytesMax, hold) : json;
  return Buffer.from(encodeJson(method.input, text, limits));
}

function onlyFrame(body: Buffer): { flags: number; json: Buffer } {
  const flags = body.length < headerBytes ? -1 : body.readUInt8();
  if (flags !== 0 && flags !== compressedFlag)
    throw new BadJsonError(
      'does not begin with the header of a message: a byte of flags and four with its length',
    );
  const json = body.subarray(headerBytes);
  if (json.length !== body.readUInt32BE(1))
    throw new BadJsonError(
      `has ${json.length} bytes after a header that says ${body.readUInt32BE(1)}; it is one message`,
    );
  return { flags, json };
}

async function plain(bytes: Buffer, bytesMax: number, hold: Hold): Promise<Buffer> {
  try {
    return await inflated(bytes, bytesMax, hold);
  } catch (error) {
    if (error instanceof TooLargeError || error instanceof OverloadedError) throw error;
    throw new BadJsonError('is not valid gzip data');
  }
}
