import type { GrantSet } from './grants';
import { widest, type PatternTree } from '../store/pattern-tree';
import { noLimits, type CallerLimits, type Permissions, type StreamAction } from './permissions';

/** Everything that a list of grants permits. */
export function permissionsOfGrants(sets: readonly GrantSet[], limits: CallerLimits): Permissions {
  const treesOf = (action: StreamAction): readonly PatternTree[] =>
    sets.filter(({ patterns }) => patterns[action].length > 0).map(({ trees }) => trees[action]);
  const trees = {
    append: treesOf('append'),
    read: treesOf('read'),
    subscribe: treesOf('subscribe'),
    manage: treesOf('manage'),
  };
  const known = new Map<StreamAction, readonly string[]>();
  const covers: Permissions['covers'] = (action, pattern) => {
    for (const tree of trees[action]) if (tree.contains(pattern)) return true;
    return false;
  };
  return {
    allows: covers,
    covers,
    patternsOf(action) {
      const patterns = known.get(action) ?? widest(sets.flatMap((set) => set.patterns[action]));
      known.set(action, patterns);
      return patterns;
    },
    mayUseStore: (action) => sets.some(({ store }) => store.has(action)),
    limits,
  };
}

/** Nothing: the caller is not accepted. */
export const noPermissions = permissionsOfGrants([], noLimits);
