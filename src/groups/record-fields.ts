/** The value of a record is not what a gateway writes. */
export class UnreadableRecordError extends Error {}

/** The version of all records of groups. */
const recordVersion = 1;

/** The fields of an object that somebody may have edited. Every method throws UnreadableRecordError. */
export class RecordFields {
  private readonly fields: Readonly<Record<string, unknown>>;

  constructor(value: unknown) {
    if (typeof value !== 'object' || value === null) throw new UnreadableRecordError('it is not an object');
    this.fields = value as Readonly<Record<string, unknown>>;
  }

  text(name: string): string {
    const value = this.fields[name];
    if (typeof value !== 'string') throw wrong(name);
    return value;
  }

  /** A whole number from 0. */
  count(name: string): number {
    const value = this.fields[name];
    if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0) throw wrong(name);
    return value;
  }

  flag(name: string): boolean {
    const value = this.fields[name];
    if (typeof value !== 'boolean') throw wrong(name);
    return value;
  }

  /** A number from 0 to 2^64 - 1, as decimal digits. */
  bigint(name: string): bigint {
    const value = this.text(name);
    if (!/^\d{1,20}$/.test(value)) throw wrong(name);
    return BigInt.asUintN(64, BigInt(value));
  }

  list<Item>(name: string, toItem: (value: unknown) => Item): Item[] {
    const value = this.fields[name];
    if (!Array.isArray(value)) throw wrong(name);
    return value.map(toItem);
  }

  object(name: string): RecordFields {
    return new RecordFields(this.fields[name]);
  }

  has(name: string): boolean {
    return this.fields[name] !== undefined;
  }
}

export function toText(value: unknown): string {
  if (typeof value !== 'string') throw new UnreadableRecordError('it has a value that is not text');
  return value;
}

function wrong(name: string): UnreadableRecordError {
  return new UnreadableRecordError(`it has no valid ${name}`);
}

export function encodeRecord(fields: object): Uint8Array {
  return Buffer.from(JSON.stringify({ v: recordVersion, ...fields }));
}

/** Throws UnreadableRecordError. */
export function decodeRecord<Value>(bytes: Uint8Array, toValue: (fields: RecordFields) => Value): Value {
  let json: unknown;
  try {
    json = JSON.parse(Buffer.from(bytes).toString());
  } catch (cause) {
    throw new UnreadableRecordError('it is not JSON', { cause });
  }
  const fields = new RecordFields(json);
  if (fields.count('v') !== recordVersion)
    throw new UnreadableRecordError('it is of another version of Sluice');
  return toValue(fields);
}

/** Whether a record is still that of its writer; so is one that cannot be read any more. */
export function isStillOf<Stored>(
  value: Uint8Array,
  decode: (value: Uint8Array) => Stored,
  wrote: (stored: Stored) => boolean,
): boolean {
  try {
    return wrote(decode(value));
  } catch (error) {
    if (error instanceof UnreadableRecordError) return true;
    throw error;
  }
}
