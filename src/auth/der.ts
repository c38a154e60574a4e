/** Reads DER (ITU-T X.690), as far as certificates and lists of revoked certificates need it. */

export const tag = {
  boolean: 0x01,
  integer: 0x02,
  bits: 0x03,
  octets: 0x04,
  objectId: 0x06,
  utcTime: 0x17,
  generalizedTime: 0x18,
  sequence: 0x30,
  set: 0x31,
} as const;

export interface Element {
  readonly tag: number;
  /** The content, without tag and length. */
  readonly content: Uint8Array;
  /** All of its bytes. */
  readonly bytes: Uint8Array;
}

/** The bytes are no DER, or not of the form that is expected. */
export class DerError extends Error {}

/** The elements that the bytes consist of. Throws DerError unless they are complete. */
export function elementsOf(bytes: Uint8Array): Element[] {
  const elements: Element[] = [];
  for (let at = 0; at < bytes.length;) {
    const element = elementAt(bytes, at);
    elements.push(element);
    at += element.bytes.length;
  }
  return elements;
}

/** The elements of a sequence or a set. */
export function childrenOf(element: Element | undefined, expected: number): Element[] {
  return elementsOf(contentOf(element, expected));
}

export function contentOf(element: Element | undefined, expected: number): Uint8Array {
  if (element?.tag !== expected) throw new DerError('it does not have the expected form');
  return element.content;
}

function elementAt(bytes: Uint8Array, at: number): Element {
  const [first, length] = [bytes[at] ?? 0, bytes[at + 1]];
  if ((first & 0x1f) === 0x1f || length === undefined) throw new DerError('it is not complete');
  const begin = at + 2 + (length < 0x80 ? 0 : length - 0x80);
  const end = begin + (length < 0x80 ? length : longLength(bytes.subarray(at + 2, begin), length - 0x80));
  if (end > bytes.length) throw new DerError('it is not complete');
  return { tag: first, content: bytes.subarray(begin, end), bytes: bytes.subarray(at, end) };
}

/** DER has neither indefinite lengths nor leading zeros. */
function longLength(bytes: Uint8Array, size: number): number {
  const isValid = size >= 1 && size <= 4 && bytes.length === size && bytes[0] !== 0;
  const length = bytes.reduce((value, byte) => value * 256 + byte, 0);
  if (!isValid || length < 0x80) throw new DerError('it has an invalid length');
  return length;
}
