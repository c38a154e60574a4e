import type { ConsumerGroups } from '../store/consumer-groups';
import type { GroupsContext } from './context';
import { createAdmin } from './group-admin';
import { GroupRunners } from './group-runners';
import { createParkedCalls } from './parked-list';

/** The groups of a store, as one gateway serves them. */
export interface OpenGroups extends ConsumerGroups {
  /** Ends all memberships that are left. Resolves when everything is stored. */
  close(): Promise<void>;
}

export function openGroups(context: GroupsContext): OpenGroups {
  const runners = new GroupRunners(context);
  return {
    ...createAdmin(context),
    ...createParkedCalls(context),
    join: (command, call, stop) => runners.join(command, call, stop),
    facts: () => runners.facts(),
    close: () => runners.close(),
  };
}
