/** The fields of a protobuf message by number: varints as bigint, everything else as bytes. Details of errors come in this form. */
export type Fields = ReadonlyMap<number, readonly (bigint | Uint8Array)[]>;

const noFields: Fields = new Map();

/** Without fields if the bytes are not a message. */
export function fieldsOf(bytes: Uint8Array): Fields {
  const fields = new Map<number, (bigint | Uint8Array)[]>();
  const add = (key: bigint, value: bigint | Uint8Array): void => {
    const number = Number(key >> 3n);
    const values = fields.get(number) ?? [];
    values.push(value);
    fields.set(number, values);
  };
  for (let at = 0; at < bytes.length;) {
    const key = varint(bytes, at);
    if (key === undefined) return noFields;
    const wireType = Number(key.value & 7n);
    const first = varint(bytes, key.end);
    if (first === undefined || (wireType !== 0 && wireType !== 2)) return noFields;
    if (wireType === 0) {
      add(key.value, first.value);
      at = first.end;
      continue;
    }
    at = first.end + Number(first.value);
    if (at > bytes.length) return noFields;
    add(key.value, bytes.subarray(first.end, at));
  }
  return fields;
}

function varint(bytes: Uint8Array, from: number): { value: bigint; end: number } | undefined {
  let value = 0n;
  for (let i = 0; i < 10; i++) {
    const byte = bytes[from + i];
    if (byte === undefined) return undefined;
    value |= BigInt(byte & 0x7f) << BigInt(7 * i);
    if (byte < 0x80) return { value, end: from + i + 1 };
  }
  return undefined;
}

export function textOf(fields: Fields, number: number): string {
  const value = fields.get(number)?.at(-1);
  return value instanceof Uint8Array ? new TextDecoder().decode(value) : '';
}

/** In decimal; undefined: the field is absent. */
export function numberOf(fields: Fields, number: number): string | undefined {
  const value = fields.get(number)?.at(-1);
  return typeof value === 'bigint' ? value.toString() : undefined;
}

export function messagesOf(fields: Fields, number: number): Fields[] {
  return (fields.get(number) ?? []).flatMap((value) =>
    value instanceof Uint8Array ? [fieldsOf(value)] : [],
  );
}

/** Empty if it is not base64. */
export function bytesOf(base64: string): Uint8Array {
  try {
    const text = atob(base64.replaceAll('-', '+').replaceAll('_', '/'));
    return Uint8Array.from(text, (character) => character.charCodeAt(0));
  } catch {
    return new Uint8Array();
  }
}
