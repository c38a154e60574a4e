import fc from 'fast-check';
import { parseAuthFile } from '../../src/auth/auth-file';
import { AuthFileError } from '../../src/auth/auth-file-error';
import { anonymous } from '../../src/auth/identity';
import { Policy } from '../../src/auth/policy';
import { defaultLimits } from '../../src/limits';

const sha256 = 'ab'.repeat(32);

/** Of the design: every field once. */
const full = {
  roles: {
    'orders-writer': {
      grants: [{ actions: ['append', 'read'], streams: ['order.>'] }, { actions: ['info'] }],
      limits: {
        appends: 256,
        append_bytes: 8_388_608,
        reads: 16,
        subscriptions: 100,
        sessions: 8,
        lookups: 64,
      },
    },
    tenant: { grants: [{ actions: ['subscribe'], streams: ['tenant.{tenant}.>'] }] },
  },
  tokens: [
    { id: 'ci-2026', sha256, principal: 'ci', roles: ['orders-writer'], expires: '2027-01-01T00:00:00Z' },
  ],
  issuers: [
    {
      name: 'corp',
      issuer: 'https://id.example.com/',
      audience: 'sluice',
      algorithms: ['RS256'],
      keys: { url: 'https://id.example.com/keys' },
      principal_claim: 'sub',
      roles_claim: 'roles',
      roles: ['tenant'],
      life_max_s: 86_400,
    },
  ],
  certificates: {
    trust_domain: 'example.org',
    crl_file: 'crl.pem',
    rules: [
      { uri: 'spiffe://example.org/orders', principal: 'orders', roles: ['orders-writer'] },
      { dns: 'orders.internal', principal: 'orders', roles: [] },
      { common_name: 'orders', principal: 'orders' },
    ],
  },
  principals: {
    'corp:alice': {
      roles: ['tenant'],
      grants: [],
      limits: { appends_per_s: 1_000, bytes_per_s: 10_000_000 },
    },
    anonymous: { grants: [{ actions: ['info'] }] },
  },
  defaults: { roles: [], grants: [], limits: { new_streams_per_s: 50 } },
  audit: { file: 'audit.jsonl', events: 'writes', when_full: 'drop' },
};

function problemsOf(file: unknown): readonly string[] {
  const text = typeof file === 'string' ? file : JSON.stringify(file);
  try {
    parseAuthFile(Buffer.from(text), 'auth.json');
  } catch (error) {
    if (error instanceof AuthFileError) return error.problems;
    throw error;
  }
  return [];
}

describe('an auth file that can be used', () => {
  test('has every field of the design', () => {
    const file = parseAuthFile(Buffer.from(JSON.stringify(full)), 'auth.json');
    expect(file.tokens[0]?.expires).toBe(Date.UTC(2027, 0));
    expect(file.certificates?.rules[2]?.roles).toEqual([]);
    expect(file.roles['tenant']?.limits).toEqual({});
    expect(file.audit).toEqual(full.audit);
  });

  test('may leave everything out', () => {
    expect(parseAuthFile(Buffer.from('{}'), 'auth.json')).toEqual({
      roles: {},
      tokens: [],
      issuers: [],
      principals: {},
      defaults: { roles: [], grants: [], limits: {} },
    });
  });

  test('gives an issuer the defaults of the design', () => {
    const keys = { file: 'keys.json' };
    const issuer = { name: 'corp', issuer: 'corp', audience: 'sluice', algorithms: ['EdDSA'], keys };
    const file = parseAuthFile(Buffer.from(JSON.stringify({ issuers: [issuer] })), 'auth.json');
    expect(file.issuers[0]).toMatchObject({ principal_claim: 'sub', roles: [], life_max_s: 86_400 });
    expect(file.issuers[0]).not.toHaveProperty('roles_claim');
  });
});

describe('an auth file that cannot be used', () => {
  test('names all problems at once, with their paths', () => {
    const file = {
      rolls: {},
      roles: {
        writer: {
          grants: [
            { actions: ['apend'], streams: ['order.>'] },
            { actions: ['append'], streams: ['order.>.x', 'x{tenant}'] },
            { actions: ['append'] },
            { actions: ['info'], streams: ['order.>'] },
            { actions: [], streams: [] },
          ],
          limits: { appends: 0, reads: '5', append_byte: 1 },
        },
        'no spaces': {},
      },
      tokens: [
        { id: 'a', sha256: 'slu_secret', principal: 'a b', roles: ['writers'] },
        { id: 'b', sha256, principal: 'b', expires: 'tomorrow' },
        { id: 'b', sha256: sha256.toUpperCase(), principal: 'b' },
      ],
      principals: { alice: {}, 'token:a': { roles: 'writer' } },
    };
    expect(problemsOf(file)).toEqual([
      'roles.writer.grants[0].actions[0] must be one of append, read, subscribe, manage, info, admin; found "apend"; did you mean append?',
      'roles.writer.grants[1].streams[0] must be a pattern of stream names, such as order.> or tenant.{tenant}.*; found "order.>.x"',
      'roles.writer.grants[1].streams[1] must be a pattern of stream names, such as order.> or tenant.{tenant}.*; found "x{tenant}"',
      'roles.writer.grants[2] must have streams if and only if it has append, read, subscribe or manage',
      'roles.writer.grants[3] must have streams if and only if it has append, read, subscribe or manage',
      'roles.writer.grants[4].actions must have at least one action',
      'roles.writer.limits.appends must be a whole number from 1 to 9007199254740991',
      'roles.writer.limits.reads must be a whole number from 1 to 9007199254740991',
      'roles.writer.limits has the unknown field append_byte; did you mean append_bytes?',
      'roles.no spaces has an invalid name: it must be 1 to 128 characters of A-Z a-z 0-9 _ . @ + / : = -',
      'tokens[0].sha256 must be 64 hexadecimal digits, the SHA-256 of the token; never the token itself',
      'tokens[0].principal must be 1 to 128 characters of A-Z a-z 0-9 _ . @ + / : = -; found "a b"',
      'tokens[0].roles[0] must be one of the roles of the file; found "writers"; did you mean writer?',
      'tokens[1].expires must be a time with its zone, such as 2027-01-01T00:00:00Z',
      'principals.alice has an invalid name: it must be anonymous or <source>:<name>, such as token:ci',
      'principals.token:a.roles must be a list',
      'the file has the unknown field rolls; did you mean roles?',
      'tokens[2].id is that of tokens[1]',
      'tokens[2].sha256 is that of tokens[1]',
    ]);
  });

  test.each([
    ['', 'must be JSON; see line 1 column 1'],
    ['{\n  "tokens": [],\n}', 'must be JSON; see line 3 column 1'],
    ['[]', 'the file must be an object'],
    ['null', 'the file must be an object'],
    ['{"roles": {"a": {}, "b": {}, "a": {}}}', 'roles.a is there twice'],
    ['{"tokens": [], "tokens": []}', 'tokens is there twice'],
    ['{"roles": {"__proto__": {}}}', 'roles.__proto__ cannot be a name'],
    [
      '{"principals": {"token:constructor": {"roles": ["constructor"]}}}',
      /must be one of the roles of the file/,
    ],
  ])('%j: %s', (text, problem) => {
    const problems = problemsOf(text);
    expect(problems).toHaveLength(1);
    expect(problems[0]).toMatch(
      typeof problem === 'string' ? new RegExp(`^${problem.replace(/[[\]().]/g, '\\$&')}`) : problem,
    );
  });

  const issuer = { ...full.issuers[0], roles: [] };
  test.each([
    ['http', { keys: { url: 'http://id.example.com/keys' } }, /keys\.url must be an https URL/],
    [
      'a login in the URL',
      { keys: { url: 'https://me:secret@id.example.com/' } },
      /keys\.url must be an https URL/,
    ],
    [
      'both url and file',
      { keys: { url: 'https://id.example.com/', file: 'a' } },
      /keys must have either url or file/,
    ],
    ['no keys', { keys: {} }, /keys must have either url or file/],
    ['none', { algorithms: ['none'] }, /algorithms\[0\] must be one of RS256/],
    ['HS256', { algorithms: ['HS256'] }, /algorithms\[0\] must be one of RS256/],
    ['no algorithm', { algorithms: [] }, /algorithms must have at least one/],
    ['the source of tokens', { name: 'token' }, /name must be 1 to 64/],
    ['the source of certificates', { name: 'cert' }, /name must be 1 to 64/],
    ['a colon', { name: 'a:b' }, /name must be 1 to 64/],
    ['more than a day', { life_max_s: 86_401 }, /life_max_s must be a whole number from 1 to 86400/],
    ['an audience that is a list', { audience: ['a'] }, /audience must be/],
  ])('an issuer with %s', (_, change, problem) => {
    const problems = problemsOf({ issuers: [{ ...issuer, ...change }] });
    expect(problems).toHaveLength(1);
    expect(problems[0]).toMatch(problem);
    expect(problems[0]).not.toContain('secret');
  });

  test('keys over http are for loopback only', () => {
    for (const host of ['127.0.0.1:1', 'localhost', '[::1]:80']) {
      expect(problemsOf({ issuers: [{ ...issuer, keys: { url: `http://${host}/keys` } }] })).toEqual([]);
    }
  });

  test.each([
    [{ uri: 'spiffe://other.org/orders' }, /must be of certificates\.trust_domain/],
    [{ uri: 'spiffe://example.org.evil.org/orders' }, /must be of certificates\.trust_domain/],
    [{ uri: 'https://example.org/orders' }, /must be a SPIFFE id/],
    [{ dns: 'Orders.internal' }, /must be a DNS name/],
    [{}, /must have one of uri, dns and common_name/],
    [{ dns: 'a', common_name: 'a' }, /must have one of uri, dns and common_name/],
  ])('a rule for certificates %j', (rule, problem) => {
    const certificates = { trust_domain: 'example.org', rules: [{ principal: 'orders', ...rule }] };
    const problems = problemsOf({ certificates });
    expect(problems).toHaveLength(1);
    expect(problems[0]).toMatch(problem);
  });

  test('has bounds on everything', () => {
    const { authFileBytesMax, authEntriesMax, authGrantsMax, authPatternsMax, authRolesMax } = defaultLimits;
    const grants = (count: number, patterns: number) => {
      const streams = Array.from({ length: patterns }, (_, i) => `s.${i}`);
      return { defaults: { grants: Array.from({ length: count }, () => ({ actions: ['read'], streams })) } };
    };
    expect(problemsOf(grants(authGrantsMax, 1))).toEqual([]);
    expect(problemsOf(grants(authGrantsMax + 1, 1))).toEqual([
      'defaults.grants must have at most 100 entries',
    ]);
    expect(problemsOf(grants(1, authPatternsMax))).toEqual([]);
    const { defaults } = grants(authGrantsMax, authPatternsMax);
    expect(problemsOf({ defaults })).toEqual([]);
    const more = { 'token:a': { grants: [{ actions: ['read'], streams: ['a'] }] } };
    expect(problemsOf({ defaults, principals: more })).toEqual([
      'the file must have at most 10000 patterns; found 10001',
    ]);
    expect(problemsOf(grants(1, authPatternsMax + 1))).toEqual([
      'defaults.grants[0].streams must have at most 100 entries',
    ]);
    const roles = (count: number) =>
      Object.fromEntries(Array.from({ length: count }, (_, i) => [`r${i}`, {}]));
    expect(problemsOf({ roles: roles(authEntriesMax) })).toEqual([]);
    expect(problemsOf({ roles: roles(authEntriesMax + 1) })).toEqual([
      'roles must have at most 10000 entries',
    ]);
    const some = roles(authRolesMax + 1);
    const problem = problemsOf({ roles: some, defaults: { roles: Object.keys(some) } });
    expect(problem).toEqual(['defaults.roles must have at most 64 entries']);
    expect(problemsOf(`{}${' '.repeat(authFileBytesMax - 2)}`)).toEqual([]);
    expect(problemsOf(`{}${' '.repeat(authFileBytesMax - 1)}`)).toEqual(['must have at most 1048576 bytes']);
  });

  test('may be nested without end', () => {
    const nested = `${'['.repeat(50_000)}1${']'.repeat(50_000)}`;
    expect(problemsOf(`{ "audit": { "file": "audit.jsonl", "events": ${nested} } }`)).toEqual([
      'audit.events must be one of denied, writes, all; found a list',
    ]);
  });

  test('is not quoted where a secret may stand', () => {
    const secret = 'slu_planted';
    const texts = [
      `{"tokens": [{"id": "a", "sha256": "${secret}", "principal": "a"}]}`,
      `{"tokens": [{"id": "a", "token": "${secret}", "sha256": "${sha256}", "principal": "a"}]}`,
      `{"tokens": ["${secret}"]}`,
      `{"tokens": ${secret}}`,
      `{"tokens": [{"id": "a", "sha256": "${sha256}", "principal": "a", "expires": "${secret}"}]}`,
    ];
    for (const text of texts) {
      expect(problemsOf(text)).toHaveLength(1);
      expect(problemsOf(text).join()).not.toContain('planted');
    }
  });
});

/** A copy in which the value at one of its places is another one, or is not there. */
function changed(value: unknown, path: number, other: unknown): unknown {
  const places: [parent: Record<string, unknown>, key: string][] = [];
  const copy = structuredClone(value);
  const collect = (parent: unknown): void => {
    if (typeof parent !== 'object' || parent === null) return;
    for (const [key, child] of Object.entries(parent)) {
      places.push([parent as Record<string, unknown>, key]);
      collect(child);
    }
  };
  collect(copy);
  const [parent, key] = places[path % places.length] ?? [{}, ''];
  if (other === undefined) Reflect.deleteProperty(parent, key);
  else parent[key] = other;
  return copy;
}

test('whatever is in the file, it can be used or has problems of a line each', () => {
  const other = fc.option(fc.oneof(fc.jsonValue(), fc.constantFrom('a\nb', 'x'.repeat(500))), {
    nil: undefined,
  });
  const file = fc.tuple(fc.nat(), other).map(([path, value]) => JSON.stringify(changed(full, path, value)));
  const named = fc.string().map((key) => JSON.stringify({ [key]: {}, roles: { [key]: { [key]: 1 } } }));
  const content = fc.oneof(file, named, fc.json()).map((text) => Buffer.from(text));
  let usable = 0;
  fc.assert(
    fc.property(
      fc.oneof(
        content,
        fc.uint8Array().map((bytes) => Buffer.from(bytes)),
      ),
      (bytes) => {
        try {
          new Policy(parseAuthFile(bytes, 'auth.json')).permissionsOf(anonymous, []);
          usable++;
        } catch (error) {
          if (!(error instanceof AuthFileError)) throw error;
          expect(error.problems.length).toBeGreaterThan(0);
          for (const line of error.problems) expect(line).toMatch(/^.{1,1000}$/u);
        }
      },
    ),
    { numRuns: 1_000 },
  );
  expect(usable).toBeGreaterThan(10);
});
