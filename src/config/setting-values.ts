import { accessSync, closeSync, constants, openSync, readSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { isAbsolute, normalize } from 'node:path';
import { z } from 'zod';
import { logLevels, readLogLevel } from './log-level';

/** The kinds of values that settings take. Each checks the text, and its error says what the text must be. */

export function integer(min: number, max: number) {
  const must = `must be a whole number from ${min.toString()} to ${max.toString()}`;
  return z
    .string()
    .regex(/^\d{1,15}$/, { error: must, abort: true })
    .transform(Number)
    .refine((value) => value >= min && value <= max, must);
}

const workersMax = 64;

/** A number of processes; `auto`: as many as there are processors. */
export function workerCount() {
  return z
    .string()
    .regex(/^(auto|\d{1,2})$/, `must be auto or a whole number from 1 to ${workersMax.toString()}`)
    .transform((text) => (text === 'auto' ? Math.min(workersMax, availableParallelism()) : Number(text)))
    .refine(
      (value) => value >= 1 && value <= workersMax,
      `must be auto or a whole number from 1 to ${workersMax.toString()}`,
    );
}

export function oneOf<const T extends readonly string[]>(words: T) {
  return z.enum(words, { error: `must be one of ${words.join(', ')}` });
}

export function nonEmpty() {
  return z.string().min(1, 'must not be empty');
}

/** `host:port`, or `unix:` and the absolute path of a Unix socket. */
export function listenAddress() {
  return z.string().refine(
    (text) => {
      const path = socketPathOf(text);
      return path === undefined ? isAddress(text) : isSocketPath(path);
    },
    'must be host:port, such as 0.0.0.0:50051 or [::1]:50051, or unix: and an absolute path of at most ' +
      `${socketPathBytesMax.toString()} bytes`,
  );
}

/** `host:port`; `off` becomes undefined. */
export function httpAddress() {
  return z
    .string()
    .refine((text) => text === 'off' || isAddress(text), 'must be host:port, such as 127.0.0.1:8080, or off')
    .transform((text) => (text === 'off' ? undefined : text));
}

/** Origins of web pages, as browsers send them, with commas. */
export function origins() {
  const isOrigin = (text: string): boolean =>
    /^https?:/.test(text) && URL.canParse(text) && new URL(text).origin === text;
  return z
    .string()
    .transform((text) => text.split(',').map((one) => one.trim()))
    .refine(
      (all) => all.every(isOrigin),
      'must be origins of web pages, such as https://app.example or http://localhost:3000, with commas between them',
    );
}

/** The path in `unix:/path`; undefined: another kind of address. */
export function socketPathOf(address: string): string | undefined {
  return /^unix:(.*)$/s.exec(address)?.[1];
}

export function webUrl() {
  return z
    .string()
    .refine(isWebUrl, 'must be an http:// or https:// URL whose login is percent-encoded, without a query');
}

export function readableFile() {
  return z.string().refine(isReadable, 'must be a file that can be read');
}

/** A file that holds a level of the log. */
export function levelFile() {
  return z.string().transform((path, context) => {
    try {
      return { path, level: readLogLevel(path) };
    } catch {
      const message = `must be a file that can be read and holds one of ${logLevels.join(', ')}`;
      context.issues.push({ code: 'custom', message, input: path });
      return z.NEVER;
    }
  });
}

/** A file with a secret. The value is the secret, without the end of its last line. */
export function secretFile() {
  const must = `must be a file that can be read and holds a secret of 1 to ${secretBytesMax.toString()} bytes`;
  return z.string().transform((path, context) => {
    const secret = secretIn(path);
    if (secret !== undefined) return secret;
    context.issues.push({ code: 'custom', message: must, input: path });
    return z.NEVER;
  });
}

const secretBytesMax = 4_096;

/** The secret in a file; undefined: the file cannot be read or has no secret of a valid length. */
function secretIn(path: string): string | undefined {
  try {
    const bytes = Buffer.alloc(secretBytesMax + 3);
    const file = openSync(path, 'r');
    const size = readSync(file, bytes);
    closeSync(file);
    const secret = bytes.toString('utf8', 0, size).replace(/\r?\n$/, '');
    return secret === '' || Buffer.byteLength(secret) > secretBytesMax ? undefined : secret;
  } catch {
    return undefined;
  }
}

/** Systems take 103 bytes and more, and a socket is made in a folder beside its place, with a name that is 11 bytes longer. */
const socketPathBytesMax = 92;

function isSocketPath(path: string): boolean {
  if (Buffer.byteLength(path) > socketPathBytesMax || /\p{Cc}/u.test(path)) return false;
  return isAbsolute(path) && normalize(path) === path && !path.endsWith('/');
}

function isAddress(text: string): boolean {
  const port = /^(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+):(\d{1,5})$/.exec(text)?.[1];
  return port !== undefined && Number(port) <= 65_535;
}

function isWebUrl(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const { protocol, search, hash, username, password } = new URL(text);
  const isPlain = search + hash === '' && ['http:', 'https:'].includes(protocol);
  return isPlain && [username, password].every(isPercentEncoded);
}

/** A comma would end a URL in `withoutCredentials`. */
function isPercentEncoded(text: string): boolean {
  if (text.includes(',')) return false;
  try {
    decodeURIComponent(text);
    return true;
  } catch {
    return false;
  }
}

function isReadable(path: string): boolean {
  try {
    accessSync(path, constants.R_OK);
    return true;
  } catch {
    return false;
  }
}
