import type { DescField, DescMessage } from '@bufbuild/protobuf';
import { BinaryReader } from '@bufbuild/protobuf/wire';
import type { Limits } from '../limits';
import { InvalidRequestError } from '../store/errors';
import { contract } from './contract';
import { countedApart, elementBounds, type ElementBound } from './element-bounds';

/** The fields of a message that hold messages or are repeated, by number. */
type Shape = ReadonlyMap<number, Held>;

interface Held {
  readonly name: string;
  /** undefined: texts or bytes. */
  readonly within: Shape | undefined;
  /** undefined: its elements are not counted here. */
  readonly bound: ElementBound | undefined;
  readonly isRepeated: boolean;
}

const shapes = new Map<string, Map<number, Held>>();
const requestShapes = new Map<string, Shape>();
for (const described of contract) {
  if (described.kind !== 'service') continue;
  for (const { name, input } of described.methods) {
    requestShapes.set(`/${described.typeName}/${name}`, shapeOf(input, true));
  }
}

function shapeOf(message: DescMessage, isCounted: boolean): Shape {
  const key = `${message.typeName} ${isCounted}`;
  const known = shapes.get(key);
  if (known !== undefined) return known;
  const shape = new Map<number, Held>();
  shapes.set(key, shape); // first, because a message may hold itself
  for (const field of message.fields) {
    const held = heldBy(field, isCounted);
    if (held !== undefined) shape.set(field.number, held);
  }
  return shape;
}

function heldBy(field: DescField, isCounted: boolean): Held | undefined {
  const { name, fieldKind, message, parent } = field;
  const isRepeated = fieldKind === 'map' || fieldKind === 'list';
  let within = message && shapeOf(message, isCounted && !countedApart.has(message.typeName));
  if (fieldKind === 'map') {
    const value = 2;
    const entry = { name: 'value', within, bound: undefined, isRepeated: false };
    within = new Map(within && [[value, entry]]);
  }
  if (!isRepeated) return within && { name, within, bound: undefined, isRepeated };
  const bound = elementBounds[parent.typeName]?.[name];
  if (bound === undefined) throw new Error(`${parent.typeName}.${name} has no bound on its elements`);
  return { name, within, bound: isCounted ? bound : undefined, isRepeated };
}

/**
 * Checks, before anything is decoded, that every message of a request ends where its length says, that every tag is valid, and
 * that there are not too many elements or fields. Generated code checks none of this: it would take the rest of a message for
 * fields of the one around it, and make objects of all that comes. `path` names the RPC as gRPC does. Throws
 * InvalidRequestError at the first excess, and any other Error for bytes that are not a message.
 */
export function checkFraming(bytes: Uint8Array, path: string, limits: Limits): void {
  const shape = requestShapes.get(path);
  if (shape === undefined) throw new Error(`no RPC has the path ${path}`);
  try {
    new Walk(bytes, limits).message(bytes.length, shape);
  } catch (error) {
    if (!(error instanceof Excess)) throw error;
    throw new InvalidRequestError([{ field: error.field, description: error.message }]);
  }
}

/** Too many of something. On the way out, the field gets its path from the request. */
class Excess extends Error {
  constructor(
    public field: string,
    limit: number,
    unit: string,
    public isWholePath = false,
  ) {
    super(`has more than the limit of ${limit} ${unit}`);
  }
}

/** Wire types of protobuf. */
const wireType = { varint: 0, bit64: 1, delimited: 2, startGroup: 3, endGroup: 4, bit32: 5 } as const;

/** The same as in other implementations of protobuf. */
const groupDepthMax = 100;

/** Reads short values by hand, which are nearly all: a caller can send millions of fields. */
class Walk {
  private readonly reader: BinaryReader;
  private fields = 0;
  private together = 0;

  constructor(
    private readonly bytes: Uint8Array,
    private readonly limits: Limits,
  ) {
    this.reader = new BinaryReader(bytes);
  }

  message(end: number, shape: Shape): void {
    const { reader } = this;
    let counts: Map<Held, number> | undefined;
    while (reader.pos < end) {
      const tag = this.tag();
      if (typeOf(tag) !== wireType.delimited) {
        this.skip(tag, 0);
        continue;
      }
      const length = this.uint32();
      const held = shape.get(tag >>> 3);
      let index = 0;
      if (held?.bound !== undefined) {
        counts ??= new Map<Held, number>();
        index = counts.get(held) ?? 0;
        counts.set(held, index + 1);
        this.count(held.name, held.bound, index + 1);
      }
      if (held?.within === undefined) reader.pos += length;
      else this.within(held, held.within, index, length);
    }
    if (reader.pos !== end) throw new RangeError(`a message has to end at byte ${end}, within a field`);
  }

  private within({ name, isRepeated }: Held, shape: Shape, index: number, length: number): void {
    try {
      this.message(this.reader.pos + length, shape);
    } catch (error) {
      if (error instanceof Excess && !error.isWholePath)
        error.field = `${name}${isRepeated ? `[${index}]` : ''}.${error.field}`;
      throw error;
    }
  }

  private count(name: string, { max, unit, together }: ElementBound, found: number): void {
    const limit = this.limits[max];
    if (found > limit) throw new Excess(name, limit, unit);
    if (together !== undefined && ++this.together > limit) throw new Excess(together, limit, unit, true);
  }

  private tag(): number {
    const { requestFieldsMax } = this.limits;
    if (++this.fields > requestFieldsMax) throw new Excess('request', requestFieldsMax, 'fields', true);
    const tag = this.uint32();
    if (tag >>> 3 === 0 || typeOf(tag) > wireType.bit32)
      throw new RangeError(`${tag} is not a tag of a field`);
    return tag;
  }

  private uint32(): number {
    const { reader } = this;
    const byte = this.bytes[reader.pos];
    if (byte === undefined || byte > 0x7f) return reader.uint32();
    reader.pos++;
    return byte;
  }

  /** `reader.skip` would make a view of every value, and would not count the fields within a group. */
  private skip(tag: number, groups: number): void {
    const { reader, bytes } = this;
    switch (typeOf(tag)) {
      case wireType.varint: {
        const first = bytes[reader.pos];
        if (first !== undefined && first <= 0x7f) reader.pos++;
        else reader.uint64();
        return;
      }
      case wireType.bit64:
        reader.pos += 8;
        return;
      case wireType.bit32:
        reader.pos += 4;
        return;
      case wireType.delimited: {
        const length = this.uint32(); // moves the position as well
        reader.pos += length;
        return;
      }
      case wireType.startGroup:
        this.group(tag >>> 3, groups + 1);
        return;
      default:
        throw new RangeError(`the end of group ${tag >>> 3}, which has no beginning`);
    }
  }

  private group(number: number, groups: number): void {
    if (groups > groupDepthMax) throw new RangeError(`groups nested more than ${groupDepthMax} deep`);
    for (;;) {
      const tag = this.tag();
      if (typeOf(tag) !== wireType.endGroup) this.skip(tag, groups);
      else if (tag >>> 3 === number) return;
      else throw new RangeError(`the end of group ${tag >>> 3} within group ${number}`);
    }
  }
}

function typeOf(tag: number): number {
  return tag & 7;
}
