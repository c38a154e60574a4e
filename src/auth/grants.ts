import { claimsIn, withClaims } from './claims';
import { PatternTree } from '../store/pattern-tree';
import { streamActions, type StoreAction, type StreamAction } from './permissions';
import type { AccessEntry } from './schema';

/** One action on the streams of one pattern, or on the store as a whole. */
export interface Grant {
  /** Where it stands in the auth file, such as `roles.tenant.grants[0].streams[1]`. */
  readonly path: string;
  readonly action: StreamAction | StoreAction;
  /** May hold claims; undefined: the store as a whole. */
  readonly pattern: string | undefined;
}

/** The grants of a role, of a principal or of the defaults, which stands at `path`. */
export function grantsOf({ grants }: AccessEntry, path: string): Grant[] {
  return grants.flatMap(({ actions, streams }, index) => {
    const at = `${path}.grants[${index}]`;
    return actions.flatMap((action): Grant[] =>
      isStreamAction(action)
        ? streams.map((pattern, i) => ({ path: `${at}.streams[${i}]`, action, pattern }))
        : [{ path: at, action, pattern: undefined }],
    );
  });
}

export function isStreamAction(action: StreamAction | StoreAction): action is StreamAction {
  return streamActions.some((one) => one === action);
}

/** Whether the pattern of a grant has claims. */
export function hasClaims({ pattern }: Grant): boolean {
  return pattern !== undefined && claimsIn(pattern).length > 0;
}

/** The grant for a caller with these claims; undefined: it does not exist for this caller. */
export function forClaims(grant: Grant, claims: ReadonlyMap<string, string>): Grant | undefined {
  if (grant.pattern === undefined) return grant;
  const pattern = withClaims(grant.pattern, claims);
  return pattern === undefined ? undefined : { ...grant, pattern };
}

/** Grants without claims, ready for many decisions. */
export interface GrantSet {
  readonly patterns: Readonly<Record<StreamAction, readonly string[]>>;
  readonly trees: Readonly<Record<StreamAction, PatternTree>>;
  readonly store: ReadonlySet<StoreAction>;
}

export function grantSet(grants: readonly Grant[]): GrantSet {
  const patterns: Record<StreamAction, string[]> = { append: [], read: [], subscribe: [], manage: [] };
  const store = new Set<StoreAction>();
  for (const { action, pattern } of grants) {
    if (!isStreamAction(action)) store.add(action);
    else if (pattern !== undefined) patterns[action].push(pattern);
  }
  if (store.has('admin')) store.add('info');
  const trees = {
    append: new PatternTree(patterns.append),
    read: new PatternTree(patterns.read),
    subscribe: new PatternTree(patterns.subscribe),
    manage: new PatternTree(patterns.manage),
  };
  return { patterns, trees, store };
}
