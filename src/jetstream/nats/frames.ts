import { NotConnectedError } from './errors';
import type { SentHeader, SentHeaders } from './headers';
import { openingOf } from './message';

const framing = 'latin1'; // subjects and headers are ASCII
const lineEnd = '\r\n';

/**
 * Messages to publish, in the protocol of NATS and in one piece. `publish` of the package `nats` makes four arrays and an encoded
 * line for each message, and copies all of them again.
 */
export class Frames {
  private parts: (string | Uint8Array)[] = [];
  private length = 0;

  /** `payloadBytesMax` gives the bytes of headers and payload that the server accepts in one message. */
  constructor(private readonly payloadBytesMax: () => number) {}

  /** Bytes that were added since the last `take`. */
  get bytes(): number {
    return this.length;
  }

  /** Throws NotConnectedError for a message that is too large for the server, which would end the connection. */
  add(
    subject: string,
    payload: Uint8Array,
    headers: SentHeaders | undefined,
    reply: string | undefined,
  ): void {
    const to = reply === undefined ? subject : `${subject} ${reply}`;
    const block = headers === undefined ? '' : headerBlock(headers);
    const bytes = block.length + payload.length;
    if (bytes > this.payloadBytesMax())
      throw new NotConnectedError(`NATS accepts no message of ${bytes} bytes on this connection`);
    const head =
      headers === undefined
        ? `PUB ${to} ${bytes}${lineEnd}`
        : `HPUB ${to} ${block.length} ${bytes}${lineEnd}${block}`;
    this.parts.push(head, payload, lineEnd);
    this.length += head.length + payload.length + lineEnd.length;
  }

  /** The messages that were added since the last call. */
  take(): Uint8Array {
    const bytes = Buffer.allocUnsafe(this.length);
    let at = 0;
    for (const part of this.parts) {
      if (typeof part === 'string') at += bytes.write(part, at, framing);
      else {
        bytes.set(part, at);
        at += part.length;
      }
    }
    this.parts = [];
    this.length = 0;
    return bytes;
  }
}

function headerBlock(headers: SentHeaders): string {
  let block = 'NATS/1.0';
  for (const name in headers) block += `${openingOf(name)} ${headers[name as SentHeader] as string}`;
  return `${block}${lineEnd}${lineEnd}`;
}
