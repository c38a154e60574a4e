import { z } from 'zod';
import { defaultLimits } from '../limits';
import { isGrantPattern } from './claims';
import { storeActions, streamActions } from './permissions';
import { isIssuerName, isPrincipal, isPrincipalName } from './principal';
import { fields, found, hiddenText, hint, list, oneOf, record, text, whole } from './schema-fields';

/** The auth file as it is written. What its fields say about each other is checked in auth-file.ts. */

const { authEntriesMax, authGrantsMax, authPatternsMax, authRolesMax, jwtLifeMaxMs } = defaultLimits;

const nameMust = 'must be 1 to 128 characters of A-Z a-z 0-9 _ . @ + / : = -';
const name = text(isPrincipalName, nameMust);
const path = text((value) => value !== '' && !value.includes('\0'), 'must be the path of a file');

function label(must: string) {
  return text((value) => value !== '' && value.length <= 1_024, must);
}

const allActions = [...streamActions, ...storeActions] as const;

const grant = fields({
  actions: list(oneOf(allActions), allActions.length).min(1, 'must have at least one action'),
  streams: list(
    text(isGrantPattern, 'must be a pattern of stream names, such as order.> or tenant.{tenant}.*'),
    authPatternsMax,
  ).default([]),
}).refine(
  ({ actions, streams }) =>
    actions.some((action) => streamActions.some((one) => one === action)) === streams.length > 0,
  'must have streams if and only if it has append, read, subscribe or manage',
);

const limit = whole(1, Number.MAX_SAFE_INTEGER).optional();
const limits = fields({
  appends: limit,
  append_bytes: limit,
  reads: limit,
  subscriptions: limit,
  sessions: limit,
  lookups: limit,
  appends_per_s: limit,
  bytes_per_s: limit,
  new_streams_per_s: limit,
});

const token = {
  id: name,
  sha256: hiddenText(
    (value) => /^[0-9a-f]{64}$/i.test(value),
    'must be 64 hexadecimal digits, the SHA-256 of the token; never the token itself',
  ).toLowerCase(),
  principal: name,
  expires: z.iso
    .datetime({ offset: true, error: 'must be a time with its zone, such as 2027-01-01T00:00:00Z' })
    .transform((time) => Date.parse(time))
    .optional(),
};

const issuer = {
  name: text(isIssuerName, 'must be 1 to 64 characters of A-Z a-z 0-9 _ . -, except token and cert'),
  issuer: label('must be the `iss` of its tokens'),
  audience: label('must be the `aud` of its tokens'),
  algorithms: list(oneOf(['RS256', 'PS256', 'ES256', 'EdDSA']), 4).min(1, 'must have at least one algorithm'),
  keys: fields({
    url: hiddenText(isKeysUrl, 'must be an https URL, or http of loopback, without login').optional(),
    file: path.optional(),
  }).refine(({ url, file }) => (url === undefined) !== (file === undefined), 'must have either url or file'),
  principal_claim: label('must be the name of a claim').default('sub'),
  roles_claim: label('must be the name of a claim').optional(),
  life_max_s: whole(1, jwtLifeMaxMs / 1_000).default(jwtLifeMaxMs / 1_000),
};

const certificateName = {
  uri: text(
    (value) => /^spiffe:\/\/[a-z0-9._-]{1,255}(\/[A-Za-z0-9._-]+)*\/([A-Za-z0-9._-]+|\*)$/.test(value),
    'must be a SPIFFE id, such as spiffe://example.org/orders, or spiffe://example.org/* for all below it',
  ).optional(),
  dns: text(
    (value) => /^[a-z0-9_*-]+(\.[a-z0-9_-]+)*$/.test(value),
    'must be a DNS name in lower case',
  ).optional(),
  common_name: label('must be a common name').optional(),
};

const audit = fields({
  file: path,
  events: oneOf(['denied', 'writes', 'all']).default('writes'),
  when_full: oneOf(['drop', 'refuse']).default('drop'),
});

/** `roles`: the names of the roles that the file has. */
export function authFileSchema(roles: ReadonlySet<string>) {
  let hints = 0;
  const role = z.string({ error: nameMust }).refine((value) => roles.has(value), {
    // To compare all wrong names with all roles could take minutes.
    error: ({ input }) =>
      `must be one of the roles of the file${found(input)}${hints++ < hintsMax ? hint(input, [...roles].slice(0, hintedMax)) : ''}`,
  });
  const access = { grants: list(grant, authGrantsMax).default([]), limits: limits.default({}) };
  const member = { roles: list(role, authRolesMax).default([]) };
  const rule = fields({ ...certificateName, principal: name, ...member }).refine(
    ({ uri, dns, common_name }) => [uri, dns, common_name].filter((one) => one !== undefined).length === 1,
    'must have one of uri, dns and common_name',
  );
  const principalMust = 'must be anonymous or <source>:<name>, such as token:ci';
  return fields({
    roles: record(isPrincipalName, nameMust, fields(access)).default({}),
    tokens: list(fields({ ...token, ...member }), authEntriesMax).default([]),
    issuers: list(fields({ ...issuer, ...member }), authEntriesMax).default([]),
    certificates: fields({
      trust_domain: text(
        (value) => /^[a-z0-9._-]{1,255}$/.test(value),
        'must be a SPIFFE trust domain',
      ).optional(),
      crl_file: path.optional(),
      rules: list(rule, authEntriesMax).default([]),
    }).optional(),
    principals: record(isPrincipal, principalMust, fields({ ...access, ...member })).default({}),
    defaults: fields({ ...access, ...member }).prefault({}),
    audit: audit.optional(),
  });
}

const hintsMax = 10;
/** Roles that a wrong name is compared with. */
const hintedMax = 1_000;

const loopbackHosts = ['localhost', '127.0.0.1', '[::1]'];

function isKeysUrl(value: string): boolean {
  if (!URL.canParse(value)) return false;
  const { protocol, hostname, username, password } = new URL(value);
  const isSafe = protocol === 'https:' || (protocol === 'http:' && loopbackHosts.includes(hostname));
  return isSafe && username + password === '';
}

/** The auth file, checked. Paths are as they are written. */
export type AuthFile = z.output<ReturnType<typeof authFileSchema>>;
export type TokenEntry = AuthFile['tokens'][number];
export type IssuerEntry = AuthFile['issuers'][number];
export type CertificatesEntry = NonNullable<AuthFile['certificates']>;
export type AccessEntry = AuthFile['roles'][string];
export type LimitsEntry = AccessEntry['limits'];
export type AuditEntry = NonNullable<AuthFile['audit']>;
