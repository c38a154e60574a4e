import { AuthFileError } from '../auth/auth-file-error';
import { AuthFilesReader } from '../auth/auth-files';
import { explain, isStreamOrPattern, type Answer, type Described } from '../auth/explain';
import { readNamedFiles } from '../auth/named-files';
import { isPrincipal } from '../auth/principal';
import { storeActions, streamActions } from '../auth/permissions';
import type { AuthFile } from '../auth/schema';
import { suggestion } from '../config/nearest-name';
import type { Given } from './arguments';
import { defineCommand, type Context } from './command';
import { CommandError, exitCode, UsageError } from './failure';
import { paint } from './output';
import { counted } from './counted';
import { noWords } from './words';

const options = {
  'auth-file': { kind: 'text', value: 'FILE', help: 'The auth file; must be given.' },
  as: {
    kind: 'text',
    value: 'PRINCIPAL',
    help: 'The principal: token:ci, cert:orders, anonymous, or of an issuer, such as corp:alice.',
  },
  role: { kind: 'texts', value: 'ROLE', help: 'A role that its JWT has. Can be repeated.' },
  claim: { kind: 'texts', value: 'NAME=VALUE', help: 'A claim that its JWT has. Can be repeated.' },
} as const;

export const authCommand = defineCommand({
  name: 'auth',
  usage: 'check [ACTION [STREAM]]',
  verbs: ['check'],
  summary: 'Check an auth file, and what it permits; no gateway is called.',
  details:
    'ACTION is append, read, subscribe or manage, with a stream or a pattern, or info or admin. The\n' +
    'answer is yes or no for each credential of the file that makes the principal, and names the first\n' +
    'grant that permits it. A pattern needs one grant that contains it. Without ACTION, only the file\n' +
    'is checked.\n' +
    'Columns: answer, grant, its pattern, credential.',
  options,
  plan({ words: [verb = '', ...words], given }) {
    if (verb !== 'check') throw new UsageError(`auth needs check${suggestion(verb, ['check'])}`);
    const path = given['auth-file'];
    if (path === undefined) throw new UsageError('--auth-file is missing');
    const asked = askedBy(words, given);
    return async (context) => {
      const file = await load(path);
      return asked === undefined ? report(context, path, file) : answer(context, file, asked, given.json);
    };
  },
});

/** What somebody would do. */
interface Asked {
  readonly caller: Described;
  readonly action: (typeof streamActions)[number] | (typeof storeActions)[number];
  /** "": the store. */
  readonly subject: string;
}

/** undefined: nothing is asked. Throws UsageError. */
function askedBy(
  [word, subject = '', ...more]: readonly string[],
  { as: principal, role: roles, claim }: Given<typeof options>,
): Asked | undefined {
  noWords(more);
  if (word === undefined) {
    if (principal === undefined && roles.length + claim.length === 0) return undefined;
    throw new UsageError('ACTION is missing');
  }
  const action = actionOf(word, subject);
  if (principal === undefined) throw new UsageError('--as is missing');
  if (!isPrincipal(principal)) {
    throw new UsageError(`--as must be anonymous or <source>:<name>, such as token:ci; found "${principal}"`);
  }
  if (!isOfIssuer(principal) && roles.length + claim.length > 0) {
    throw new UsageError(`--role and --claim are for JWTs: ${principal} has what the auth file says`);
  }
  return { caller: { principal, roles, claims: new Map(claim.map(claimOf)) }, action, subject };
}

function actionOf(word: string, subject: string): Asked['action'] {
  const known = [...streamActions, ...storeActions];
  const action = known.find((one) => one === word);
  if (action === undefined) throw new UsageError(`unknown action ${word}${suggestion(word, known)}`);
  const needsStream = streamActions.some((one) => one === action);
  if (!needsStream && subject !== '')
    throw new UsageError(`${action} concerns the whole store; found "${subject}"`);
  if (needsStream && !isStreamOrPattern(subject)) {
    throw new UsageError(
      `${action} needs a stream or a pattern${subject === '' ? '' : `; found "${subject}"`}`,
    );
  }
  return action;
}

function isOfIssuer(principal: string): boolean {
  return !/^(token:|cert:|anonymous$)/.test(principal);
}

function claimOf(text: string): readonly [string, string] {
  const equals = text.indexOf('=');
  if (equals < 1) throw new UsageError(`--claim must be NAME=VALUE; found "${text}"`);
  return [text.slice(0, equals), text.slice(equals + 1)];
}

/** Throws CommandError with everything that is wrong with the file. */
async function load(path: string): Promise<AuthFile> {
  const { result } = await new AuthFilesReader(path).read();
  try {
    if (result instanceof AuthFileError) throw result;
    readNamedFiles(result);
    return result.file;
  } catch (error) {
    if (!(error instanceof AuthFileError)) throw error;
    throw new CommandError(error.message);
  }
}

async function report({ out }: Context, path: string, file: AuthFile): Promise<number> {
  const { tokens, issuers, certificates, roles, principals } = file;
  const parts = [
    counted(tokens.length, 'token'),
    counted(issuers.length, 'issuer'),
    counted(certificates?.rules.length ?? 0, 'certificate rule'),
    counted(Object.keys(roles).length, 'role'),
    counted(Object.keys(principals).length, 'principal'),
  ];
  await out.line(`${path} can be used: ${parts.join(', ')}`);
  return exitCode.ok;
}

async function answer(
  { out, err }: Context,
  file: AuthFile,
  { caller, action, subject }: Asked,
  json: boolean,
): Promise<number> {
  for (const role of caller.roles.filter((one) => !Object.hasOwn(file.roles, one))) {
    await err.line(`sluice: the file has no role ${role}${suggestion(role, Object.keys(file.roles))}`);
  }
  const answers = explain(file, caller, action, subject);
  if (answers.length === 0)
    await err.line(`sluice: the file has no credential that makes ${caller.principal}`);
  const shown = answers.length === 0 ? [{ credential: '', grant: undefined }] : answers;
  for (const one of shown)
    await out.line(...(json ? [JSON.stringify(asJson(one))] : line(one, out.isTerminal)));
  return shown.every(({ grant }) => grant !== undefined) ? exitCode.ok : exitCode.failure;
}

function asJson({ credential, grant }: Answer) {
  const by = grant && { grant: grant.path, pattern: grant.pattern };
  return { permitted: grant !== undefined, ...by, ...(credential !== '' && { credential }) };
}

function line({ credential, grant }: Answer, isTerminal: boolean) {
  const word = grant === undefined ? 'no' : 'yes';
  if (!isTerminal) return [[word, grant?.path ?? '', grant?.pattern ?? '', credential].join('\t')];
  const by = grant === undefined ? '' : `  by ${grant.path}`;
  const pattern = grant?.pattern === undefined ? '' : ` (${grant.pattern})`;
  const of = credential === '' ? '' : `  for ${credential}`;
  return [paint(grant === undefined ? 'red' : 'green', word.padEnd(3)), `${by}${pattern}`, paint('dim', of)];
}
