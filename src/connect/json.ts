import { fromBinary, fromJsonString, toBinary, toJsonString, type DescMessage } from '@bufbuild/protobuf';
import { contract } from '../grpc/contract';
import type { Limits } from '../limits';

/** What is wrong with a request in JSON; for `description` of a field violation. */
export class BadJsonError extends Error {}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** A message in the JSON of protobuf, encoded as the message of gRPC. Throws BadJsonError. */
export function encodeJson(type: DescMessage, json: Buffer, { requestFieldsMax }: Limits): Uint8Array {
  if (json.length === 0) throw new BadJsonError('is empty; a request without fields is {}');
  if (countValues(json) > requestFieldsMax)
    throw new BadJsonError(`has more JSON values than the limit of ${requestFieldsMax} fields`);
  const text = decoded(json);
  try {
    // Of a text it also refuses what has a key twice.
    return toBinary(type, fromJsonString(type, text, { registry: contract }));
  } catch (error) {
    const { cause } = error as Error;
    if (cause instanceof SyntaxError) throw new BadJsonError(`is not valid JSON: ${cause.message}`);
    throw new BadJsonError(`is not a valid ${type.typeName} in JSON: ${reasonOf(error)}`);
  }
}

/** A message of gRPC in the JSON of protobuf. */
export function decodeToJson(type: DescMessage, bytes: Uint8Array): string {
  return toJsonString(type, fromBinary(type, bytes), { registry: contract });
}

function decoded(json: Buffer): string {
  try {
    return utf8.decode(json);
  } catch {
    throw new BadJsonError('is not UTF-8');
  }
}

function reasonOf(error: unknown): string {
  return (error as Error).message
    .replace(/^cannot decode message \S+ from JSON: /, '')
    .replace(/^cannot decode field (\S+) from JSON: /, '$1: ');
}

const [quote, backslash] = [0x22, 0x5c];
/** What stands before each value but the first: `,`, `[`, `{`, also where none follows. */
const beginnings = new Set([0x2c, 0x5b, 0x7b]);

/**
 * At most how many values a text in JSON has: parsed, each takes many times its bytes. Throws BadJsonError if it has a number that
 * would be rounded when it is parsed.
 */
function countValues(json: Buffer): number {
  let count = 1;
  for (let at = 0; at < json.length; at++) {
    const byte = json[at] as number;
    if (byte === quote) at = endOfString(json, at);
    else if (beginnings.has(byte)) count++;
    else if (isDigit(byte)) at = endOfDigits(json, at);
  }
  return count;
}

function endOfString(json: Buffer, begin: number): number {
  let at = begin + 1;
  while (at < json.length && json[at] !== quote) at += json[at] === backslash ? 2 : 1;
  return at;
}

function isDigit(byte: number | undefined): boolean {
  return byte !== undefined && byte >= 0x30 && byte <= 0x39;
}

/** All shorter ones are exact. */
const longNumberDigits = 16;

/** The last one of the digits that begin here. */
function endOfDigits(json: Buffer, begin: number): number {
  let end = begin + 1;
  while (isDigit(json[end])) end++;
  if (end - begin >= longNumberDigits && !Number.isSafeInteger(Number(json.toString('latin1', begin, end))))
    throw new BadJsonError(
      'has a number that programs round; numbers from 2^53 on are texts, such as "9007199254740993"',
    );
  return end - 1;
}
