import { BinaryReader, WireType } from '@bufbuild/protobuf/wire';
import { AppendRequest } from '../../generated/sluice/v1/event_store_service';
import type { Limits } from '../limits';
import { checkMessage, decodeRequest } from './decode';

/** One append of a session, not decoded yet. */
export interface ReceivedAppend {
  readonly tag: bigint;
  readonly inOrder: boolean;
  /** Its bytes within the message. */
  readonly bytes: number;
  /** undefined: the field is missing. Throws InvalidRequestError; UndecodableError, if the bytes are not a request. */
  decode(): AppendRequest | undefined;
}

const sessionPath = '/sluice.v1.EventStoreService/AppendSession';
const appendPath = '/sluice.v1.EventStoreService/Append';

/**
 * A message of a session. Its appends are decoded one at a time, as they begin: decoded, they can take fifty times the memory.
 */
export class SessionMessage {
  private readonly reader: BinaryReader;

  /** Throws InvalidRequestError. */
  constructor(
    private readonly message: Buffer,
    private readonly limits: Limits,
  ) {
    checkMessage(message, sessionPath, limits);
    this.reader = new BinaryReader(message);
  }

  get bytes(): number {
    return this.message.length;
  }

  /** The next append; undefined at the end. */
  next(): ReceivedAppend | undefined {
    const { reader } = this;
    while (reader.pos < reader.len) {
      const [field, wireType] = reader.tag();
      if (field === 1 && wireType === WireType.LengthDelimited) return this.append(reader.uint32());
      reader.skip(wireType, field);
    }
    return undefined;
  }

  private append(length: number): ReceivedAppend {
    const { reader, message, limits } = this;
    const end = reader.pos + length;
    let tag = 0n;
    let inOrder = false;
    let encoded: Uint8Array | undefined;
    while (reader.pos < end) {
      const [field, wireType] = reader.tag();
      if (field === 1 && wireType === WireType.Varint) tag = reader.uint64() as bigint;
      else if (field === 3 && wireType === WireType.Varint) inOrder = reader.bool();
      else if (field === 2 && wireType === WireType.LengthDelimited) {
        const size = reader.uint32();
        encoded = message.subarray(reader.pos, (reader.pos += size));
      } else reader.skip(wireType, field);
    }
    const decode = (): AppendRequest | undefined =>
      encoded && decodeRequest(AppendRequest, encoded, appendPath, limits);
    return { tag, inOrder, bytes: length, decode };
  }
}
