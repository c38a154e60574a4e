import { parseAuthFile } from '../../src/auth/auth-file';
import { opennessOf } from '../../src/auth/openness';
import { openGuard } from '../../src/auth/guard';
import { openGuardFile } from './guard-file';

const nowMs = Date.parse('2026-11-29T12:00:00Z');
const all = { grants: [{ actions: ['read'], streams: ['>'] }] };

function opennessOfFile(file: object): ReturnType<typeof opennessOf> {
  return opennessOf(parseAuthFile(Buffer.from(JSON.stringify(file)), 'auth.json'), nowMs);
}

function token(number: number, more: object = {}): object {
  return {
    id: `t${number}`,
    sha256: number.toString(16).padStart(64, '0'),
    principal: `p${number}`,
    ...more,
  };
}

test('a file without entries leaves nothing open', () => {
  expect(opennessOfFile({})).toEqual({
    anonymousGrants: [],
    tokensWithoutExpiry: 0,
    tokensExpired: 0,
    tokensExpiring: [],
    unusedRoles: [],
    allStreamsByDefault: false,
    allStreamsPrincipals: 0,
  });
});

test('what callers without a credential may do, by their grants and roles, each once', () => {
  const openness = opennessOfFile({
    roles: { reader: { grants: [{ actions: ['read', 'subscribe'], streams: ['order.>', 'a'] }] } },
    principals: {
      anonymous: {
        roles: ['reader'],
        grants: [{ actions: ['info'] }, { actions: ['read'], streams: ['order.>'] }],
      },
    },
  });
  expect(openness.anonymousGrants).toEqual([
    'info',
    'read order.>',
    'read a',
    'subscribe order.>',
    'subscribe a',
  ]);
});

test('tokens that never expire, have expired, and expire within 14 days, the next ones first', () => {
  const at = (ms: number): { expires: string } => ({ expires: new Date(nowMs + ms).toISOString() });
  const day = 86_400_000;
  const openness = opennessOfFile({
    tokens: [
      token(1),
      token(2),
      token(3, at(0)),
      token(4, at(-day)),
      token(5, at(14 * day)),
      token(6, at(1)),
      token(7, at(14 * day + 1)),
      token(8, at(day)),
    ],
  });
  expect(openness).toMatchObject({ tokensWithoutExpiry: 2, tokensExpired: 2 });
  expect(openness.tokensExpiring).toEqual([
    { id: 't6', expiresAtMs: nowMs + 1 },
    { id: 't8', expiresAtMs: nowMs + day },
    { id: 't5', expiresAtMs: nowMs + 14 * day },
  ]);
  const many = Array.from({ length: 20 }, (_, i) => token(i, at(i + 1)));
  expect(opennessOfFile({ tokens: many }).tokensExpiring).toHaveLength(10);
});

describe('roles that nobody has', () => {
  const roles = { a: all, b: all, c: all, d: all, e: all, f: all };
  const issuer = {
    name: 'corp',
    issuer: 'https://id.example.com/',
    audience: 'sluice',
    algorithms: ['RS256'],
    keys: { file: 'keys.json' },
  };
  const file = {
    roles,
    tokens: [token(1, { roles: ['a'] })],
    issuers: [{ ...issuer, roles: ['b'] }],
    certificates: { rules: [{ dns: 'a.internal', principal: 'a', roles: ['c'] }] },
    principals: { 'corp:alice': { roles: ['d'] } },
    defaults: { roles: ['e'] },
  };

  test('are those that no entry names', () => {
    expect(opennessOfFile(file).unusedRoles).toEqual(['f']);
  });

  test('are not known if an issuer names roles', () => {
    const issuers = [{ ...issuer, roles_claim: 'roles' }];
    expect(opennessOfFile({ ...file, issuers }).unusedRoles).toEqual([]);
  });

  test('the first 10 are listed', () => {
    const many = Object.fromEntries(Array.from({ length: 20 }, (_, i) => [`r${i}`, all]));
    expect(opennessOfFile({ roles: many }).unusedRoles).toHaveLength(10);
  });
});

describe('a grant on all streams', () => {
  const roles = { all, some: { grants: [{ actions: ['read'], streams: ['order.>', '*.1'] }] } };

  test('is counted once for each principal that has it by a role or an own grant', () => {
    const openness = opennessOfFile({
      roles,
      tokens: [
        token(1, { roles: ['all'] }),
        { ...token(2, { roles: ['all'] }), principal: 'p1' },
        token(3, { roles: ['some'] }),
        token(4),
      ],
      certificates: { rules: [{ dns: 'a.internal', principal: 'p1', roles: ['all'] }] },
      principals: {
        'token:p1': all,
        'corp:alice': { roles: ['all'] },
        'corp:bob': { roles: ['some'] },
        anonymous: all,
      },
    });
    expect(openness).toMatchObject({ allStreamsByDefault: false, allStreamsPrincipals: 3 });
  });

  test.each([
    ['the defaults', { defaults: all }],
    ['a role of the defaults', { defaults: { roles: ['all'] } }],
    [
      'a role of an issuer',
      {
        issuers: [
          {
            name: 'corp',
            issuer: 'https://id.example.com/',
            audience: 'sluice',
            algorithms: ['RS256'],
            keys: { file: 'keys.json' },
            roles: ['all'],
          },
        ],
      },
    ],
  ])('by %s is one of everyone', (_by, file) => {
    expect(opennessOfFile({ roles, ...file })).toMatchObject({
      allStreamsByDefault: true,
      allStreamsPrincipals: 0,
    });
  });
});

test('a guard tells its generation, and why the newest content is not in force', async () => {
  expect(openGuard.openness()).toBeUndefined();
  using opened = await openGuardFile({ roles: { unused: {} } });
  const { guard } = opened;
  expect(guard.openness()).toMatchObject({ generation: 1, problems: [], unusedRoles: ['unused'] });
  opened.write('{}{');
  await guard.reload();
  expect(guard.openness()).toMatchObject({ generation: 1, unusedRoles: ['unused'] });
  expect(guard.openness()?.problems).toHaveLength(1);
  guard.reportAudit('the audit log goes on as before');
  expect(guard.openness()?.problems).toEqual([expect.any(String), 'the audit log goes on as before']);
  guard.reportAudit(undefined);
  opened.write({});
  await guard.reload();
  expect(guard.openness()).toMatchObject({ generation: 2, problems: [], unusedRoles: [] });
});
