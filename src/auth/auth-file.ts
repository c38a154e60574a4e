import { AuthFileError } from './auth-file-error';
import { repeatedKeys } from './json-keys';
import { placeOfError } from './json-place';
import { defaultLimits } from '../limits';
import { shownKey } from './schema-fields';
import { authFileSchema, type AuthFile } from './schema';

/** The contents of an auth file, checked. `name` is for errors. Throws AuthFileError with everything that is wrong. */
export function parseAuthFile(content: Uint8Array, name: string): AuthFile {
  const fail = (...problems: readonly string[]): never => {
    throw new AuthFileError(name, problems);
  };
  const { authFileBytesMax } = defaultLimits;
  if (content.length > authFileBytesMax) fail(`must have at most ${authFileBytesMax} bytes`);
  const text = textOf(content) ?? fail('must be UTF-8');
  const { value, problem } = parsed(text);
  if (problem !== undefined) fail(problem);
  const roles = new Set(Object.keys(asObject(asObject(value)['roles'])));
  const { data, error } = authFileSchema(roles).safeParse(value);
  const problems = [
    ...repeatedKeys(text).map(
      (path) => `${path} ${/__proto__$/.test(path) ? 'cannot be a name' : 'is there twice'}`,
    ),
    ...(error?.issues ?? []).map(({ path, message }) => problemAt(path, message)),
    ...repetitions(value),
    ...foreignDomains(data),
    ...tooManyPatterns(data),
  ];
  return data === undefined || problems.length > 0 ? fail(...problems.slice(0, problemsMax)) : data;
}

/** More would hide what is wrong. */
const problemsMax = 100;

function textOf(content: Uint8Array): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(content);
  } catch {
    return undefined;
  }
}

function parsed(text: string): { readonly value?: unknown; readonly problem?: string } {
  try {
    return { value: JSON.parse(text) as unknown };
  } catch {
    return { problem: `must be JSON; see ${placeOfError(text)}` };
  }
}

/** `roles.tenant.grants[0].streams[1] must be …` */
function problemAt(path: readonly PropertyKey[], message: string): string {
  const place = path
    .map((key) => (typeof key === 'number' ? `[${key}]` : `.${shownKey(String(key))}`))
    .join('')
    .replace(/^\./, '');
  return [place === '' ? 'the file' : place, message].join(' ');
}

/** Values that must be there only once, by the list and the fields that have them. */
const unique = [
  { list: ['tokens'], fields: ['id', 'sha256'] },
  { list: ['issuers'], fields: ['name', 'issuer'] },
  { list: ['certificates', 'rules'], fields: ['uri', 'dns', 'common_name'] },
];

/** Looks at what was written rather than at what was checked, so that these problems are reported with the others. */
function repetitions(file: unknown): string[] {
  return unique.flatMap(({ list, fields }) => {
    const entries = list.reduce<unknown>((value, key) => asObject(value)[key], file);
    return fields.flatMap((field) => {
      const first = new Map<string, number>();
      return (Array.isArray(entries) ? entries : []).flatMap((entry: unknown, index) => {
        const value = asObject(entry)[field];
        if (typeof value !== 'string') return [];
        const key = field === 'sha256' ? value.toLowerCase() : value;
        const earlier = first.get(key);
        first.set(key, earlier ?? index);
        const at = `${list.join('.')}[${index}].${field}`;
        return earlier === undefined ? [] : [`${at} is that of ${list.join('.')}[${earlier}]`];
      });
    });
  });
}

/** Rules that no certificate can fulfil, because its SPIFFE id would be of another trust domain. */
function foreignDomains(file: AuthFile | undefined): string[] {
  const { trust_domain: domain, rules = [] } = file?.certificates ?? {};
  return rules.flatMap(({ uri }, index) =>
    uri === undefined || uri.startsWith(`spiffe://${domain ?? ''}/`)
      ? []
      : [`certificates.rules[${index}].uri must be of certificates.trust_domain; found "${uri}"`],
  );
}

/** Every pattern costs memory as long as the file is in force. */
function tooManyPatterns(file: AuthFile | undefined): string[] {
  const entries = file && [...Object.values(file.roles), ...Object.values(file.principals), file.defaults];
  const grants = (entries ?? []).flatMap((entry) => entry.grants);
  const count = grants.reduce((sum, { streams }) => sum + streams.length, 0);
  const { authEntriesMax } = defaultLimits;
  return count > authEntriesMax
    ? [`the file must have at most ${authEntriesMax} patterns; found ${count}`]
    : [];
}

function asObject(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}
