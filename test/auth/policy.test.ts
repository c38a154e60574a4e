import fc from 'fast-check';
import { parseAuthFile } from '../../src/auth/auth-file';
import { explain } from '../../src/auth/explain';
import { anonymous, type Identity } from '../../src/auth/identity';
import type { Permissions, StreamAction } from '../../src/auth/permissions';
import { Policy } from '../../src/auth/policy';
import type { AuthFile } from '../../src/auth/schema';
import { matches } from '../support/model-log';

function parsed(file: object): AuthFile {
  return parseAuthFile(Buffer.from(JSON.stringify(file)), 'auth.json');
}

function policy(file: object): Policy {
  return new Policy(parsed(file));
}

/** The value at a path such as `roles.r.grants[0].streams[1]`. */
function at(file: object, path: string): unknown {
  const keys = path.split(/[.[\]]+/).filter((key) => key !== '');
  return keys.reduce<unknown>((value, key) => (value as Record<string, unknown>)[key], file);
}

function identity(principal: string, claims: Record<string, string> = {}): Identity {
  return { ...anonymous, principal, claims: new Map(Object.entries(claims)) };
}

const order = { actions: ['append', 'read'], streams: ['order.>'] };
const tenants = { actions: ['append', 'read', 'subscribe'], streams: ['tenant.{tenant}.>', 'shared.*'] };

describe('grants', () => {
  const permissions = policy({ roles: { writer: { grants: [order] } } }).permissionsOf(identity('token:ci'), [
    'writer',
  ]);

  test('are for their actions and whole tokens only', () => {
    const names = ['order.1', 'order.eu.1', 'orders.1', 'order', 'Order.1', 'x.order.1'];
    expect(names.filter((name) => permissions.allows('append', name))).toEqual(['order.1', 'order.eu.1']);
    expect(names.filter((name) => permissions.allows('subscribe', name))).toEqual([]);
    expect(['info', 'admin'].filter((action) => permissions.mayUseStore(action as 'info'))).toEqual([]);
  });

  test('admin has info', () => {
    const of = (action: string): Permissions =>
      policy({ defaults: { grants: [{ actions: [action] }] } }).permissionsOf(identity('token:ci'), []);
    expect([of('admin').mayUseStore('info'), of('admin').mayUseStore('admin')]).toEqual([true, true]);
    expect([of('info').mayUseStore('info'), of('info').mayUseStore('admin')]).toEqual([true, false]);
  });

  test('come from the roles of the credential and of the principal, from the principal and from the defaults', () => {
    const grant = (stream: string) => [{ actions: ['read'], streams: [stream] }];
    const all = policy({
      roles: {
        a: { grants: grant('a') },
        b: { grants: grant('b') },
        c: { grants: grant('c') },
        d: { grants: grant('d') },
      },
      principals: { 'corp:alice': { roles: ['b'], grants: grant('alice') } },
      defaults: { roles: ['c'], grants: grant('all') },
    });
    const alice = all.permissionsOf(identity('corp:alice'), ['a', 'unknown', 'constructor']);
    expect([...alice.patternsOf('read')].sort()).toEqual(['a', 'alice', 'all', 'b', 'c']);
    const bob = all.permissionsOf(identity('corp:bob'), []);
    expect([...bob.patternsOf('read')].sort()).toEqual(['all', 'c']);
    // Another source with the same name is somebody else.
    expect(all.permissionsOf(identity('token:alice'), []).allows('read', 'alice')).toBe(false);
  });

  test('of anonymous callers are only their own', () => {
    const file = { roles: { r: { grants: [order] } }, defaults: { grants: [order], roles: ['r'] } };
    expect(policy(file).permissionsOf(anonymous, []).patternsOf('read')).toEqual([]);
    expect(policy(file).servesAnonymous).toBe(false);
    const open = policy({ ...file, principals: { anonymous: { roles: ['r'] } } });
    expect(open.permissionsOf(anonymous, []).patternsOf('read')).toEqual(['order.>']);
    expect(open.servesAnonymous).toBe(true);
  });
});

describe('a grant with a claim', () => {
  const all = policy({ defaults: { grants: [tenants] } });
  const of = (claims: Record<string, string>): Permissions =>
    all.permissionsOf(identity('corp:alice', claims), []);

  test('is for the streams of its value', () => {
    const acme = of({ tenant: 'acme' });
    const names = [
      'tenant.acme.order.1',
      'tenant.acme2.order.1',
      'tenant.acme',
      'tenant.other.x',
      'shared.x',
    ];
    expect(names.filter((name) => acme.allows('append', name))).toEqual(['tenant.acme.order.1', 'shared.x']);
    expect(of({ tenant: 'acme2' }).allows('append', 'tenant.acme2.order.1')).toBe(true);
    expect(acme.covers('read', 'tenant.acme.*.>')).toBe(true);
    expect(acme.covers('read', 'tenant.*.>')).toBe(false);
  });

  test.each(['>', '*', 'a.b', '', 'a b', '{tenant}'])('does not exist with the value %j', (tenant) => {
    expect(of({ tenant }).patternsOf('append')).toEqual(['shared.*']);
    expect(of({ tenant }).allows('append', `tenant.${tenant}.x`)).toBe(false);
    expect(of({ tenant }).covers('append', 'tenant.>')).toBe(false);
  });

  test('does not exist without the claim', () => {
    expect(of({}).patternsOf('append')).toEqual(['shared.*']);
    expect(of({ Tenant: 'acme' }).patternsOf('append')).toEqual(['shared.*']);
  });

  test('is not remembered for another value, another principal or other roles', () => {
    const some = policy({
      roles: { a: { grants: [order] } },
      principals: { 'corp:bob': { grants: [order] } },
      defaults: { grants: [{ actions: ['read'], streams: ['x.{one}.{two}'] }] },
    });
    const patterns = (principal: string, claims: Record<string, string>, roles: string[]) =>
      some.permissionsOf(identity(principal, claims), roles).patternsOf('read');
    expect(patterns('corp:al', { one: '1', two: '2' }, [])).toEqual(['x.1.2']);
    expect(patterns('corp:al', { one: '2', two: '1' }, [])).toEqual(['x.2.1']);
    expect(patterns('corp:al', { one: '1' }, [])).toEqual([]);
    expect(patterns('corp:al', { one: '1', two: '2' }, ['a'])).toEqual(['order.>', 'x.1.2']);
    expect(patterns('corp:bob', { one: '1', two: '2' }, [])).toEqual(['order.>', 'x.1.2']);
  });
});

describe('limits', () => {
  test('are the most specific: of the principal, else the largest of the roles, else the default', () => {
    const all = policy({
      roles: {
        small: { limits: { appends: 5, reads: 7, sessions: 1 } },
        large: { limits: { appends: 50, sessions: 10 } },
        own: {},
      },
      principals: { 'token:ci': { roles: ['large'], limits: { sessions: 3 } } },
      defaults: { limits: { appends: 500, reads: 500, sessions: 500, bytes_per_s: 1_000 } },
    });
    const { limits } = all.permissionsOf(identity('token:ci'), ['small', 'own']);
    expect(limits).toMatchObject({
      appends: 50,
      reads: 7,
      sessions: 3,
      bytesPerSecond: 1_000,
      lookups: undefined,
    });
    expect(all.permissionsOf(identity('corp:bob'), ['own']).limits).toMatchObject({
      appends: 500,
      sessions: 500,
    });
    expect(all.permissionsOf(anonymous, []).limits.appends).toBeUndefined();
  });
});

describe('over random files', () => {
  const token = fc.constantFrom('a', 'b', '*', '{t}');
  const pattern = fc
    .tuple(fc.array(token, { maxLength: 2 }), fc.constantFrom('a', 'b', '*', '>', '{t}'))
    .map(([tokens, last]) => [...tokens, last].join('.'));
  const actions = fc.uniqueArray(fc.constantFrom<StreamAction>('append', 'read', 'subscribe', 'manage'), {
    minLength: 1,
  });
  const grant = fc.record({ actions, streams: fc.array(pattern, { minLength: 1, maxLength: 3 }) });
  const grants = fc.array(grant, { maxLength: 3 });
  const name = fc
    .array(fc.constantFrom('a', 'b', 'z'), { minLength: 1, maxLength: 4 })
    .map((tokens) => tokens.join('.'));
  const value = fc.constantFrom('a', 'z', '>', '*', 'a.b', '', undefined);

  test('what sluice auth check says is what the gateway does', () => {
    const issuer = { name: 'x', issuer: 'x', audience: 's', algorithms: ['ES256'], keys: { file: 'k' } };
    const action = fc.constantFrom<StreamAction>('append', 'read', 'subscribe', 'manage');
    const subject = fc.oneof(name, pattern).filter((one) => !one.includes('{t}'));
    fc.assert(
      fc.property(fc.tuple(grants, grants), value, action, subject, ([ofRole, ofAll], t, asked, one) => {
        const file = parsed({
          roles: { r: { grants: ofRole } },
          issuers: [{ ...issuer, roles: ['r'] }],
          defaults: { grants: ofAll },
        });
        const claims = new Map(t === undefined ? [] : [['t', t]]);
        const [answer] = explain(file, { principal: 'x:y', roles: [], claims }, asked, one);
        const permissions = new Policy(file).permissionsOf({ ...identity('x:y'), claims }, ['r']);
        expect(answer?.grant !== undefined).toBe(permissions.covers(asked, one));
        if (answer?.grant !== undefined) expect(at(file, answer.grant.path)).toBeDefined();
      }),
      { numRuns: 400 },
    );
  });

  test('allows is what a list of all grants says', () => {
    fc.assert(
      fc.property(grants, grants, grants, value, name, (ofRole, ofPrincipal, ofAll, t, stream) => {
        const all = policy({
          roles: { r: { grants: ofRole } },
          principals: { 'x:y': { grants: ofPrincipal } },
          defaults: { grants: ofAll },
        });
        const permissions = all.permissionsOf(identity('x:y', t === undefined ? {} : { t }), ['r']);
        const patterns = [...ofRole, ...ofPrincipal, ...ofAll]
          .filter((one) => one.actions.includes('read'))
          .flatMap(({ streams }) => streams)
          .filter((one) => !one.includes('{t}') || t === 'a' || t === 'z')
          .map((one) => one.replaceAll('{t}', t ?? ''));
        expect(permissions.allows('read', stream)).toBe(patterns.some((one) => matches(one, stream)));
        for (const one of patterns) expect(permissions.covers('read', one)).toBe(true);
        for (const one of permissions.patternsOf('read')) expect(patterns).toContain(one);
      }),
      { numRuns: 400 },
    );
  });
});
