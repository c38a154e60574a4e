import { join } from 'node:path';
import { z } from 'zod';
import { json, readJsonFiles } from '../../conformance/json-files';

const object = z.record(z.string(), json);
const method = z.string();
const times = z.number().default(1);
const proxy = z.number().default(1);

/** What must hold of the end of a command; without any of it, it must have a result. */
const outcome = {
  result: object.optional(),
  error: object.optional(),
  /** All events that it reported. */
  gets: z.array(json).optional(),
  /** All notes that it reported. */
  notes: z.array(z.string()).optional(),
  /** Variables, each with the path of its value in the result or the error. */
  capture: z.record(z.string(), z.string()).optional(),
};

const fault = z.discriminatedUnion('fault', [
  z.strictObject({ fault: z.enum(['cut', 'swallow', 'refuse', 'heal']), proxy }),
  z.strictObject({ fault: z.literal('goaway'), proxy }),
  z.strictObject({ fault: z.literal('cutAfter'), proxy, side: z.enum(['client', 'server']), bytes: json }),
  z.strictObject({ fault: z.literal('slow'), proxy, bytesPerSecond: z.number() }),
  z.strictObject({
    fault: z.literal('answer'),
    proxy,
    method,
    times,
    status: z.number().optional(),
    http: z.number().optional(),
    passes: z.boolean().optional(),
  }),
  z.strictObject({ fault: z.enum(['lose', 'hang']), proxy, method, times }),
  z.strictObject({ fault: z.literal('mute'), proxy, method }),
  z.strictObject({ fault: z.literal('cutRead'), proxy, method, times, messages: json }),
  z.strictObject({ fault: z.enum(['freeze', 'thaw', 'restart']) }),
]);
export type Fault = z.infer<typeof fault>;

/** A command; what is not of the action are arguments, whose names depend on it. */
const command = z
  .object({ do: z.string(), ...outcome, begin: z.string().optional(), until: z.boolean().optional() })
  .catchall(json)
  .transform(({ begin, until, result, error, gets, notes, capture, ...command }) => ({
    command: command,
    /** The name by which later actions refer to it; undefined: the next action waits for its end. */
    begin,
    /** Whether to make the call again until its end is as expected. */
    until: until ?? false,
    expected: { result, error, gets, notes, capture },
  }));

const action = z.union([
  fault,
  z.strictObject({ await: z.string(), event: object.optional(), note: z.string().optional() }),
  z.strictObject({ end: z.string(), ...outcome }),
  z.strictObject({ stop: z.string() }),
  z.strictObject({ calls: method, proxy, count: json }),
  /** Begun at the same time. */
  z.strictObject({ parallel: z.array(command) }),
  command,
]);
export type Action = z.infer<typeof action>;
export type CommandAction = z.output<typeof command>;
export type Outcome = Partial<CommandAction['expected']>;

const repeated = z.strictObject({
  /** A variable. */
  each: z.string(),
  of: z.array(z.union([z.number(), z.string()])),
  actions: z.array(action).min(1),
});
/** Actions for each value of a variable. */
export type Repeated = z.infer<typeof repeated>;

const testCase = z.strictObject({
  name: z.string(),
  /** Proxies in front of the gateway. */
  proxies: z.number().default(1),
  /** Whether they know the calls of a connection. */
  http2: z.boolean().default(false),
  /** The gateway behind each proxy: that of the file, or the one that all files share. */
  shared: z.array(z.boolean()).default([]),
  actions: z.array(z.union([repeated, action])).min(1),
});
export type Case = z.infer<typeof testCase>;

const caseFile = z.strictObject({
  about: z.string(),
  /** A gateway that no other file and no other language uses; its cases are played one after the other. */
  own: z.boolean().default(false),
  /** For TLS: the name in the certificate of the gateway behind each proxy. All are of the authority `${ca}`. */
  tls: z.array(z.enum(['localhost', '127.0.0.1'])).default([]),
  /** The auth file of the gateway. A text `sha256 of NAME` in it stands for the hash of a token. */
  auth: json.optional(),
  /** Tokens by name, which are variables of the cases. */
  tokens: z.record(z.string(), z.string()).default({}),
  cases: z.array(testCase).min(1),
});
export type CaseFile = z.infer<typeof caseFile>;

/** All case files in the order of their names. Throws if one is not a case file. */
export function readCaseFiles(): CaseFile[] {
  return readJsonFiles(join(__dirname, 'cases'), caseFile);
}
