import { promisify } from 'node:util';
import { gunzip, inflate } from 'node:zlib';
import type { Limits } from '../limits';
import type { Incoming } from './incoming';

const inflaters = { gzip: promisify(gunzip), deflate: promisify(inflate) };

/** Deflate expands one byte to at most this many. */
const ratioMax = 1_032;
const headerBytes = 5;
const gzipMagic = 0x1f8b;
/** The minimum of zlib. */
const chunkBytesMin = 64;

/**
 * Inflates a message, header included, to its declared size; undefined: an encoding that is left to grpc-js. The bytes are held
 * before, a few messages are inflated at a time, and those of one connection one after another. When it fails, the call has ended.
 */
export type Inflate = (incoming: Incoming, message: Buffer, encoding: string) => Promise<Buffer> | undefined;

export function createInflate({ inflatesMax }: Limits): Inflate {
  let underWay = 0;
  const waiting: (() => void)[] = [];
  const inSlot = async (work: () => Promise<Buffer>): Promise<Buffer> => {
    if (underWay < inflatesMax) underWay++;
    else await new Promise<void>((resolve) => waiting.push(resolve));
    try {
      return await work();
    } finally {
      const next = waiting.shift();
      if (next === undefined) underWay--;
      else next();
    }
  };
  return (incoming, message, encoding) => {
    if (encoding !== 'gzip' && encoding !== 'deflate') return undefined;
    const { connection } = incoming;
    const work = (): Promise<Buffer> =>
      inSlot(() => inflated(incoming, message.subarray(headerBytes), encoding));
    const done = (connection.inflating ?? Promise.resolve()).then(work);
    const nothing = (): undefined => undefined;
    connection.inflating = done.then(nothing, nothing); // without the message
    return done;
  };
}

async function inflated(
  incoming: Incoming,
  bytes: Buffer,
  encoding: keyof typeof inflaters,
): Promise<Buffer> {
  const { messageBytesMax } = incoming.kind;
  const expected = expectedBytes(bytes, encoding);
  const maxOutputLength = Math.max(1, Math.min(messageBytesMax, expected));
  if (encoding === 'gzip' && expected > messageBytesMax)
    incoming.refuseRequest(`has ${expected} bytes, more than the limit of ${messageBytesMax}`);
  else incoming.hold(maxOutputLength);
  if (incoming.isOver) throw new Error('the call has ended');
  try {
    // In one chunk: chunks of the usual size would be concatenated, and would stay in memory until they are collected.
    const chunkSize = Math.max(chunkBytesMin, maxOutputLength + 1);
    const message = await inflaters[encoding](bytes, { maxOutputLength, chunkSize });
    incoming.release(maxOutputLength - message.length + bytes.length);
    return message;
  } catch (error) {
    incoming.release(maxOutputLength);
    const isTooLarge = (error as { code?: string }).code === 'ERR_BUFFER_TOO_LARGE';
    incoming.refuseRequest(
      isTooLarge && encoding === 'deflate'
        ? `is inflated to more than the limit of ${messageBytesMax} bytes`
        : `is not valid ${encoding} data`,
    );
    throw error;
  }
}

/** The size that gzip declares at its end, or the largest that deflate can expand to. */
function expectedBytes(bytes: Buffer, encoding: keyof typeof inflaters): number {
  return encoding === 'deflate' ? ratioMax * bytes.length : gzipBytes(bytes);
}

/** The size that gzip declares at its end; 0: this is not gzip. */
export function gzipBytes(bytes: Buffer): number {
  const trailerBytes = 4;
  const isGzip = bytes.length > trailerBytes && bytes.readUInt16BE() === gzipMagic;
  return !isGzip ? 0 : bytes.readUInt32LE(bytes.length - trailerBytes);
}
