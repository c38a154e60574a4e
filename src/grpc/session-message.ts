import { BinaryReader, WireType } from '@bufbuild/protobuf/wire';
import { AppendRequest } from '../../generated/sluice/v1/event_store_service';
import type { Limits } from '../limits';
import { checkMessage, decodeRequest, undecodable } from './decode';

/** One append of a session, not decoded yet. */
export interface ReceivedAppend {
  readonly tag: bigint;
  readonly inOrder: boolean;
  /** Its bytes within the message. */
  readonly bytes: number;
  /** Of a TraceContext; undefined: the field is missing. */
  readonly traceContext: Uint8Array | undefined;
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

  /** The next append; undefined at the end. Throws UndecodableError, where the decoder takes less than the check has let pass. */
  next(): ReceivedAppend | undefined {
    try {
      return this.find();
    } catch (error) {
      throw undecodable(error);
    }
  }

  private find(): ReceivedAppend | undefined {
    const { reader } = this;
    while (reader.pos < reader.len) {
      const [field, wireType] = reader.tag();
      if (field === 1 && wireType === WireType.LengthDelimited) return this.append(reader.uint32());
      reader.skip(wireType, field);
    }
    return undefined;
  }

  private append(length: number): ReceivedAppend {
    const { reader, limits } = this;
    const end = reader.pos + length;
    let tag = 0n;
    let inOrder = false;
    let encoded: Uint8Array | undefined;
    let traceContext: Uint8Array | undefined;
    while (reader.pos < end) {
      const [number, wireType] = reader.tag();
      if (number === 1 && wireType === WireType.Varint) tag = reader.uint64() as bigint;
      else if (number === 3 && wireType === WireType.Varint) inOrder = reader.bool();
      else if (number === 2 && wireType === WireType.LengthDelimited) encoded = this.part();
      else if (number === 4 && wireType === WireType.LengthDelimited) traceContext = this.part();
      else reader.skip(wireType, number);
    }
    const decode = (): AppendRequest | undefined =>
      encoded && decodeRequest(AppendRequest, encoded, appendPath, limits);
    return { tag, inOrder, bytes: length, traceContext, decode };
  }

  /** The bytes of a field. */
  private part(): Uint8Array {
    const { reader } = this;
    const size = reader.uint32();
    return this.message.subarray(reader.pos, (reader.pos += size));
  }
}
