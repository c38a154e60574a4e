import { claimsIn, isGrantPattern, withClaims } from '../../src/auth/claims';

test('a pattern of a grant is a pattern of streams in which whole tokens may be claims', () => {
  const claims = ['tenant.{tenant}.>', '{tenant}', '{a}.{b}', '{https://id.example.com/tenant}.*', '{a.b}'];
  const valid = ['order.>', '>', '*', ...claims];
  const invalid = [
    '',
    'order.',
    '.>',
    'a.>.b',
    'a b',
    'x{tenant}',
    '{tenant}x.a',
    '{}',
    '{a b}',
    '{>}',
    '{{a}}',
  ];
  invalid.push('{a}{b}', '{a', 'a}', '{a}.', '.{a}', '{a.}b', `{${'a'.repeat(129)}}`);
  expect([...valid, ...invalid].filter(isGrantPattern)).toEqual(valid);
  expect(claimsIn('a.{b}.*.{c.d}.>')).toEqual(['b', 'c.d']);
  expect(claimsIn('a.b{c}.d')).toEqual([]);
});

test.each([
  ['acme', 'tenant.acme.>'],
  ['acme2', 'tenant.acme2.>'],
  ['a:b@c', 'tenant.a:b@c.>'],
  ['>', undefined],
  ['*', undefined],
  ['a.b', undefined],
  ['', undefined],
  ['a b', undefined],
  ['{tenant}', undefined],
  ['x'.repeat(200), undefined],
])('tenant.{tenant}.> with the claim %j is %j', (tenant, expected) => {
  expect(withClaims('tenant.{tenant}.>', new Map([['tenant', tenant]]))).toBe(expected);
});

test('a value is never looked at as a claim or as an expression', () => {
  const claims = new Map([
    ['a', '$&'],
    ['b', 'x'],
    ['https://id.example.com/t', 'acme'],
  ]);
  expect(withClaims('{a}.{b}', claims)).toBeUndefined();
  expect(withClaims('{b}.{b}.{https://id.example.com/t}.>', claims)).toBe('x.x.acme.>');
});

test('a claim that the caller does not have makes no pattern', () => {
  expect(withClaims('tenant.{tenant}.>', new Map([['Tenant', 'acme']]))).toBeUndefined();
  expect(withClaims('tenant.{constructor}', new Map())).toBeUndefined();
  expect(withClaims('order.>', new Map())).toBe('order.>');
});
