import { readFile } from 'node:fs/promises';
import { parseAuthFile } from '../auth/auth-file';
import { AuthFileError } from '../auth/auth-file-error';
import { changeAuthFile } from '../auth/change-auth-file';
import { isPrincipalName } from '../auth/principal';
import type { TokenEntry } from '../auth/schema';
import { digestOfToken, makeToken } from '../auth/token';
import { entryText, withToken, type WrittenTokenEntry } from '../auth/token-entry';
import { suggestion } from '../config/nearest-name';
import type { Given } from './arguments';
import { defineCommand, type Context } from './command';
import { CommandError, exitCode, UsageError } from './failure';
import { paint } from './output';
import { expiryOf } from './token-expiry';
import { noWords } from './words';

const options = {
  'auth-file': { kind: 'text', value: 'FILE', help: 'The auth file: to add the token to, or to list.' },
  principal: { kind: 'text', value: 'NAME', help: 'Of the new token, without "token:"; must be given.' },
  id: {
    kind: 'text',
    value: 'ID',
    help: 'Of the new token, for the audit log. Default: the principal and the date.',
  },
  role: { kind: 'texts', value: 'ROLE', help: 'A role of the new token. Can be repeated.' },
  expires: {
    kind: 'text',
    value: 'WHEN',
    help: 'When the new token expires: 90d, 12h, a date, or a time with its zone. Default: never.',
  },
} as const;

type Options = Given<typeof options> & { readonly json: boolean };

export const tokenCommand = defineCommand({
  name: 'token',
  usage: 'create/list',
  verbs: ['create', 'list'],
  summary: 'Create an API token, or list those of an auth file; no gateway is called.',
  details:
    '"create" prints the new token on stdout, once: nothing else has it. Its entry is added to the auth\n' +
    'file, or without --auth-file printed on stderr. Tokens of one principal are accepted beside each\n' +
    'other: create the next one, hand it out, and remove the entry of the old one.\n' +
    '"list" has the columns id, principal, roles, expiry, and "expired".',
  options,
  plan({ words: [verb = '', ...more], given }) {
    noWords(more);
    if (verb === 'create') return planCreate(given);
    if (verb === 'list') return planList(given);
    throw new UsageError(`token needs create or list${suggestion(verb, ['create', 'list'])}`);
  },
});

function planCreate(given: Options): (context: Context) => Promise<number> {
  const { principal, 'auth-file': path, json } = given;
  if (principal === undefined) throw new UsageError('--principal is missing');
  const now = new Date();
  const entry = {
    id: given.id ?? `${principal.slice(0, 100)}-${now.toISOString().slice(0, 10)}`,
    principal,
    roles: given.role,
    expires: expiryOf(given.expires, now),
  };
  for (const [option, value] of Object.entries({ principal, id: entry.id, role: given.role }))
    for (const one of [value].flat()) checkName(`--${option}`, one);
  if (principal.startsWith('token:'))
    throw new UsageError(
      `--principal is without "token:"; did you mean ${principal.slice('token:'.length)}?`,
    );
  return async (context) => {
    const token = makeToken();
    const written = { ...entry, sha256: digestOfToken(token) };
    if (path !== undefined) await inFile(() => changeAuthFile(path, (text) => withToken(text, written)));
    await printNew(context, token, written, { path, json });
    return exitCode.ok;
  };
}

function checkName(option: string, value: string): void {
  if (isPrincipalName(value)) return;
  throw new UsageError(
    `${option} must be 1 to 128 characters of A-Z a-z 0-9 _ . @ + / : = -; found "${value}"`,
  );
}

async function printNew(
  { out, err }: Context,
  token: string,
  entry: WrittenTokenEntry,
  { path, json }: { readonly path: string | undefined; readonly json: boolean },
): Promise<void> {
  await out.line(json ? JSON.stringify({ token, entry }) : token);
  if (path !== undefined) await err.line(`sluice: ${entry.id} was added to ${path}`);
  else if (!json) await err.line(entryText(entry));
}

function planList({ 'auth-file': path, json, ...others }: Options): (context: Context) => Promise<number> {
  if (path === undefined) throw new UsageError('--auth-file is missing');
  const { principal, id, expires, role } = others;
  if ([principal, id, expires].some((value) => value !== undefined) || role.length > 0)
    throw new UsageError('--principal, --id, --role and --expires are for create');
  return async (context) => {
    const { tokens } = await inFile(async () => parseAuthFile(await readFile(path), path));
    for (const entry of tokens) await printEntry(context, entry, json);
    return exitCode.ok;
  };
}

async function printEntry({ out }: Context, entry: TokenEntry, json: boolean): Promise<void> {
  const { id, principal, roles } = entry;
  const expires = entry.expires === undefined ? undefined : new Date(entry.expires).toISOString();
  const expired = entry.expires !== undefined && entry.expires <= Date.now();
  if (json) await out.line(JSON.stringify({ id, principal, roles, expires, expired }));
  else if (out.isTerminal) {
    const columns = [
      id.padEnd(24),
      `token:${principal}`.padEnd(24),
      roles.join(' ').padEnd(24),
      expires ?? '',
    ];
    await out.line(columns.join('  '), ...(expired ? [paint('red', '  expired')] : []));
  } else await out.line([id, principal, roles.join(' '), expires ?? '', expired ? 'expired' : ''].join('\t'));
}

/** Throws CommandError with everything that is wrong with the file. */
async function inFile<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof AuthFileError) throw new CommandError(error.message);
    throw error;
  }
}
