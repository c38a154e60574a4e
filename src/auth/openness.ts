import type { AccessEntry, AuthFile } from './schema';

/** What an auth file leaves open, for operators. Lists have at most 10 entries. */
export interface Openness {
  readonly generation: number;
  /** Why what the files contain now is not in force; empty: it is. */
  readonly problems: readonly string[];
  /** What callers without a credential may do, such as `read order.>`. */
  readonly anonymousGrants: readonly string[];
  readonly tokensWithoutExpiry: number;
  readonly tokensExpired: number;
  /** Within 14 days, the next ones first. */
  readonly tokensExpiring: readonly { readonly id: string; readonly expiresAtMs: number }[];
  /** Roles that nothing in the file gives to anybody; empty if an issuer names roles in its tokens. */
  readonly unusedRoles: readonly string[];
  /** Whether everyone with a credential, or with one of some issuer, has a grant on all streams. */
  readonly allStreamsByDefault: boolean;
  /** How many other principals have one. */
  readonly allStreamsPrincipals: number;
}

const listedMax = 10;
const soonMs = 14 * 86_400_000;

export function opennessOf(file: AuthFile, nowMs: number): Omit<Openness, 'generation' | 'problems'> {
  const expiries = file.tokens.flatMap(({ id, expires }) =>
    expires === undefined ? [] : [{ id, expiresAtMs: expires }],
  );
  const { anonymous } = file.principals;
  const roleGrants = (anonymous?.roles ?? []).flatMap((role) => file.roles[role]?.grants ?? []);
  const grants = [...(anonymous?.grants ?? []), ...roleGrants].flatMap(({ actions, streams }) =>
    actions.flatMap((action) =>
      action === 'info' || action === 'admin' ? [action] : streams.map((stream) => `${action} ${stream}`),
    ),
  );
  return {
    anonymousGrants: [...new Set(grants)].slice(0, listedMax),
    tokensWithoutExpiry: file.tokens.length - expiries.length,
    tokensExpired: expiries.filter(({ expiresAtMs }) => expiresAtMs <= nowMs).length,
    tokensExpiring: expiries
      .filter(({ expiresAtMs }) => expiresAtMs > nowMs && expiresAtMs <= nowMs + soonMs)
      .sort((a, b) => a.expiresAtMs - b.expiresAtMs)
      .slice(0, listedMax),
    unusedRoles: unusedRoles(file).slice(0, listedMax),
    ...allStreams(file),
  };
}

function unusedRoles({ roles, tokens, issuers, certificates, principals, defaults }: AuthFile): string[] {
  if (issuers.some((issuer) => issuer.roles_claim !== undefined)) return [];
  const users = [
    ...tokens,
    ...issuers,
    ...(certificates?.rules ?? []),
    ...Object.values(principals),
    defaults,
  ];
  const used = new Set(users.flatMap((user) => user.roles));
  return Object.keys(roles).filter((role) => !used.has(role));
}

function allStreams(file: AuthFile): Pick<Openness, 'allStreamsByDefault' | 'allStreamsPrincipals'> {
  const { roles, tokens, issuers, certificates, principals, defaults } = file;
  const wide = new Set(Object.keys(roles).filter((role) => isWide(roles[role])));
  const hasWide = (names: readonly string[]): boolean => names.some((role) => wide.has(role));
  const byDefault = isWide(defaults) || [defaults, ...issuers].some((entry) => hasWide(entry.roles));
  const members = [
    ...tokens.map((token) => [`token:${token.principal}`, token.roles] as const),
    ...(certificates?.rules ?? []).map((rule) => [`cert:${rule.principal}`, rule.roles] as const),
    ...Object.entries(principals).map(([name, { roles: own }]) => [name, own] as const),
  ];
  const holders = new Set(members.flatMap(([name, own]) => (hasWide(own) ? [name] : [])));
  for (const [name, entry] of Object.entries(principals)) if (isWide(entry)) holders.add(name);
  holders.delete('anonymous'); // its grants are listed
  return { allStreamsByDefault: byDefault, allStreamsPrincipals: holders.size };
}

function isWide(entry: AccessEntry | undefined): boolean {
  return entry?.grants.some(({ streams }) => streams.includes('>')) === true;
}
