import { z } from 'zod';
import { json, readJsonFiles } from './json-files';

/** How a call must end; without any of it, with OK. */
const outcome = {
  /** The name of the status; OK unless given. */
  status: z.string().optional(),
  /** What the message of the status must contain. */
  text: z.string().optional(),
  /** The details of the status, each with its message as `@type`: exactly these, in this order. */
  details: z.array(json).optional(),
  /** All messages of the call, merged into one. */
  answer: json.optional(),
  /** Variables, each with the path of its value in the answer, or in `details` where the call fails. */
  capture: z.record(z.string(), z.string()).optional(),
};

const making = {
  deadlineMs: z.number().optional(),
  /** The name of a token of the case file, which the call sends. */
  token: z.string().optional(),
};

const action = z.union([
  z.strictObject({
    call: z.string(),
    /** One message, or, for a method that takes a stream, a list of those to send before its end. */
    request: json.optional(),
    ...making,
    ...outcome,
  }),
  z.strictObject({
    open: z.string(),
    /** The name by which later actions refer to it. */
    as: z.string(),
    request: json.optional(),
    ...making,
  }),
  z.strictObject({ send: z.string(), request: json }),
  z.strictObject({ halfClose: z.string() }),
  z.strictObject({ cancel: z.string() }),
  z.strictObject({ await: z.string(), message: json, capture: outcome.capture }),
  z.strictObject({ end: z.string(), ...outcome }),
  z.strictObject({ nats: z.enum(['pause', 'resume', 'stop', 'start']) }),
  z.strictObject({ publish: z.string() }),
  /** Settings of the log, with their new values. */
  z.strictObject({ log: z.record(z.string(), json) }),
  z.strictObject({ gateway: z.literal('stop') }),
]);
export type Action = z.infer<typeof action>;
/** How a call is made. */
export type Making = Pick<Extract<Action, { open: string }>, keyof typeof making>;
export type Outcome = Pick<Extract<Action, { end: string }>, keyof typeof outcome>;

const testCase = z.strictObject({ name: z.string(), actions: z.array(action).min(1) });
export type Case = z.infer<typeof testCase>;

const caseFile = z.strictObject({
  /** The subject of its cases. */
  about: z.string(),
  /** Flags of the gateway. */
  gateway: z.array(z.string()).default([]),
  /** Lines for the configuration of the NATS server. */
  nats: z.array(z.string()).default([]),
  /** The auth file of the gateway. A text `sha256 of NAME` in it stands for the hash of a token. */
  auth: json.optional(),
  /** Tokens by name. */
  tokens: z.record(z.string(), z.string()).default({}),
  cases: z.array(testCase).min(1),
});
/** Cases that are played one after the other, on a gateway and a nats-server that no other file uses. */
export type CaseFile = z.infer<typeof caseFile> & { readonly name: string };
/** What the gateway and the nats-server of a file are started with. */
export type GatewaySettings = Pick<CaseFile, 'gateway' | 'nats' | 'auth' | 'tokens'>;
export const plainSettings: GatewaySettings = { gateway: [], nats: [], tokens: {} };

/** All files of a folder, in the order of their names. Throws if one is not a case file. */
export function readCaseFiles(folder: string): CaseFile[] {
  return readJsonFiles(folder, caseFile);
}
