import { callerLimits, shareOf } from './caller-limits';
import { claimsIn, tokenOf } from './claims';
import { RecentMap } from '../collections/recent-map';
import { forClaims, grantSet, grantsOf, hasClaims, type Grant, type GrantSet } from './grants';
import { anonymous, type Identity } from './identity';
import { defaultLimits } from '../limits';
import type { Permissions } from './permissions';
import { permissionsOfGrants } from './permissions-of-grants';
import type { AccessEntry, AuthFile, LimitsEntry } from './schema';

/** What a role, a principal or the defaults give. */
interface Source {
  readonly grants: readonly Grant[];
  /** Those without claims, which all identities share. */
  readonly fixed: GrantSet;
  readonly withClaims: readonly Grant[];
  readonly limits: LimitsEntry;
  /** The roles that a principal has by its entry. */
  readonly roles: readonly string[];
}

const noSource = sourceOf({ grants: [], limits: {} }, '');

/** What identities may do, as one auth file says. */
export class Policy {
  /** Whether a caller without credentials may do something. */
  readonly servesAnonymous: boolean;
  private readonly roles: ReadonlyMap<string, Source>;
  private readonly principals: ReadonlyMap<string, Source>;
  private readonly defaults: Source;
  /** All claims in patterns of grants. */
  private readonly claims: readonly string[];
  private readonly remembered = new RecentMap<string, Permissions>(defaultLimits.authRememberedMax);

  /** `share`: of the limits of callers, which several processes of a gateway divide among them. */
  constructor(
    { roles, principals, defaults }: AuthFile,
    private readonly share = 1,
  ) {
    this.roles = sources(roles, 'roles');
    this.principals = sources(principals, 'principals');
    this.defaults = sourceOf(defaults, 'defaults');
    const all = [...this.roles.values(), ...this.principals.values(), this.defaults];
    const patterns = all.flatMap(({ withClaims }) => withClaims.map(({ pattern = '' }) => pattern));
    this.claims = [...new Set(patterns.flatMap(claimsIn))];
    this.servesAnonymous = this.grantsOf(anonymous, []).length > 0;
  }

  /** `roles`: those that come with the credential; a role that the file does not have gives nothing. */
  permissionsOf(identity: Identity, roles: readonly string[]): Permissions {
    const known = roles.filter((role) => this.roles.has(role));
    const key = this.keyOf(identity, known);
    const remembered = this.remembered.get(key);
    if (remembered !== undefined) return remembered;
    const permissions = this.compile(identity, known);
    this.remembered.set(key, permissions);
    return permissions;
  }

  /** The grants behind these permissions, with the values of claims. */
  grantsOf(identity: Identity, roles: readonly string[]): readonly Grant[] {
    const grants = this.sourcesOf(identity, roles).all.flatMap((source) => source.grants);
    return grants.flatMap((grant) => forClaims(grant, identity.claims) ?? []);
  }

  /** Equal for identities that may do the same: otherwise many principals with large roles would need much memory. */
  private keyOf({ principal, claims }: Identity, roles: readonly string[]): string {
    const isSingle = principal === anonymous.principal || this.principals.has(principal);
    const values = this.claims.map((claim) => tokenOf(claims, claim) ?? '');
    return [isSingle ? principal : '', roles.join(), ...values].join(' ');
  }

  private compile(identity: Identity, roles: readonly string[]): Permissions {
    const { principal, ofRoles, defaults, all } = this.sourcesOf(identity, roles);
    const own = all.flatMap(({ withClaims }) =>
      withClaims.flatMap((grant) => forClaims(grant, identity.claims) ?? []),
    );
    const limits = callerLimits(
      principal.limits,
      ofRoles.map((role) => role.limits),
      defaults.limits,
    );
    return permissionsOfGrants(
      [...all.map(({ fixed }) => fixed), grantSet(own)],
      shareOf(limits, this.share),
    );
  }

  private sourcesOf({ principal: name }: Identity, roles: readonly string[]) {
    const principal = this.principals.get(name) ?? noSource;
    const defaults = name === anonymous.principal ? noSource : this.defaults;
    const names = new Set([...roles, ...principal.roles, ...defaults.roles]);
    const ofRoles = [...names].flatMap((role) => this.roles.get(role) ?? []);
    return { principal, ofRoles, defaults, all: [principal, ...ofRoles, defaults] };
  }
}

function sources(entries: Readonly<Record<string, AccessEntry>>, path: string): Map<string, Source> {
  return new Map(Object.entries(entries).map(([name, entry]) => [name, sourceOf(entry, `${path}.${name}`)]));
}

function sourceOf(entry: AccessEntry & { readonly roles?: readonly string[] }, path: string): Source {
  const grants = grantsOf(entry, path);
  return {
    grants,
    fixed: grantSet(grants.filter((grant) => !hasClaims(grant))),
    withClaims: grants.filter(hasClaims),
    limits: entry.limits,
    roles: entry.roles ?? [],
  };
}
