import { z } from 'zod';
import type { NewEvent } from '../../../src/client/client';

/** The commands of README.md, as the TypeScript driver parses them. */

const whole = z.string().regex(/^\d+$/).transform(BigInt);
const expectedVersion = z.union([z.literal('exists'), whole]).optional();
const texts = z.array(z.string());

const event = z
  .strictObject({
    type: z.string(),
    text: z.string().optional(),
    binary: z.base64().optional(),
    contentType: z.string().optional(),
    id: z.string().optional(),
    correlationId: z.string().optional(),
    causationId: z.string().optional(),
    tags: texts.optional(),
    metadata: z.record(z.string(), z.string()).optional(),
  })
  .transform(({ text, binary, ...rest }): NewEvent => {
    const data = binary === undefined ? text : Buffer.from(binary, 'base64');
    return { ...rest, data };
  });

const client = { client: z.string() };
const deadline = { deadlineMs: z.number().optional() };
const commit = { commitId: z.string().optional() };
const direction = z.enum(['forward', 'backward']).optional();
const reading = { ...client, ...deadline, maxCount: z.number().optional(), eventTypes: texts.optional() };
const query = z.strictObject({
  items: z.array(z.strictObject({ eventTypes: texts.optional(), tags: texts.optional() })),
});
const condition = z.strictObject({ query, after: whole, withinStream: z.string().optional() }).optional();
const filter = {
  patterns: texts.optional(),
  eventTypePrefixes: texts.optional(),
  query: query.optional(),
};
const after = z.union([whole, z.string()]).optional();
const streamEvents = { stream: z.string(), events: z.array(event), expectedVersion };

const options = z.strictObject({
  deadlineMs: z.number().optional(),
  appendAttemptsMax: z.number().optional(),
  token: z.string().optional(),
  tokens: texts.optional(),
  tls: z.strictObject({ ca: z.string() }).optional(),
  metadata: z.record(z.string(), z.string()).optional(),
});
export type Options = z.infer<typeof options>;

const command = z.discriminatedUnion('do', [
  z.strictObject({ do: z.literal('connect'), ...client, addresses: texts, options: options.optional() }),
  z.strictObject({ do: z.literal('close'), ...client }),
  z.strictObject({ do: z.literal('append'), ...client, ...deadline, ...commit, ...streamEvents, condition }),
  z.strictObject({
    do: z.literal('appendMulti'),
    ...client,
    ...deadline,
    ...commit,
    appends: z.array(z.strictObject(streamEvents)),
    checks: z
      .array(z.strictObject({ stream: z.string(), expectedVersion: z.union([z.literal('exists'), whole]) }))
      .optional(),
    condition,
  }),
  z.strictObject({
    do: z.literal('openSession'),
    ...client,
    session: z.string(),
    pendingMax: z.number().optional(),
    inOrder: z.boolean().optional(),
  }),
  z.strictObject({
    do: z.literal('sessionAppend'),
    session: z.string(),
    ...commit,
    ...streamEvents,
    condition,
  }),
  z.strictObject({ do: z.literal('closeSession'), session: z.string() }),
  z.strictObject({
    do: z.literal('readStream'),
    ...reading,
    stream: z.string(),
    fromVersion: whole.optional(),
    toVersion: whole.optional(),
    direction,
  }),
  z.strictObject({
    do: z.literal('readAll'),
    ...reading,
    ...filter,
    after,
    toPosition: whole.optional(),
    direction,
    permittedOnly: z.boolean().optional(),
  }),
  z.strictObject({ do: z.literal('readByCorrelation'), ...reading, correlationId: z.string() }),
  z.strictObject({ do: z.literal('getVersion'), ...client, ...deadline, stream: z.string() }),
  z.strictObject({ do: z.literal('serverInfo'), ...client, ...deadline }),
  z.strictObject({
    do: z.literal('subscribe'),
    ...client,
    ...filter,
    eventTypes: texts.optional(),
    stream: z.string().optional(),
    after,
    afterVersion: whole.optional(),
    fromNow: z.boolean().optional(),
    startMustExist: z.boolean().optional(),
    heartbeatMs: z.number().optional(),
    pauseMs: z.number().optional(),
  }),
  z.strictObject({
    do: z.literal('consume'),
    ...client,
    group: z.string(),
    concurrency: z.number().optional(),
    heartbeatMs: z.number().optional(),
    member: z.string().optional(),
    onType: z.record(z.string(), z.enum(['park', 'skip', 'fail'])).optional(),
  }),
  z.strictObject({
    do: z.literal('createGroup'),
    ...client,
    group: z.string(),
    patterns: texts,
    query: query.optional(),
    attemptsMax: z.number().optional(),
  }),
  z.strictObject({ do: z.literal('listParked'), ...client, group: z.string() }),
  z.strictObject({
    do: z.literal('erase'),
    ...client,
    ...deadline,
    ...commit,
    stream: z.string(),
    fromVersion: whole,
    toVersion: whole,
    reason: z.string(),
  }),
  z.strictObject({
    do: z.literal('retryOnConflict'),
    ...client,
    stream: z.string(),
    event,
    collisions: z.number(),
    attemptsMax: z.number().optional(),
  }),
  z.strictObject({
    do: z.literal('retryOnCondition'),
    ...client,
    stream: z.string(),
    event,
    query,
    collisions: z.number(),
    attemptsMax: z.number().optional(),
  }),
  z.strictObject({ do: z.literal('stop'), call: z.number() }),
]);
export type Command = z.infer<typeof command>;

/** The arguments of a command. */
export type CommandOf<Name extends Command['do']> = Omit<Extract<Command, { do: Name }>, 'do'>;

/** Throws for what is not a command. */
export function parseCommand(line: unknown): Command {
  const parsed = command.safeParse(line);
  if (!parsed.success) throw new Error(z.prettifyError(parsed.error));
  return parsed.data;
}
