import type { ConsumerGroups } from '../store/consumer-groups';
import { defaultTimings, type GroupsContext, type GroupTimings } from './context';
import { createAdmin } from './group-admin';
import { GroupRunners } from './group-runners';
import { createParkedCalls } from './parked-list';

/** The groups of a store, as one gateway serves them. */
export interface OpenGroups extends ConsumerGroups {
  /** Ends all memberships that are left. Resolves when everything is stored. */
  close(): Promise<void>;
}

/** `timings`: for tests. */
export type GroupsOptions = Omit<GroupsContext, 'timings'> & { readonly timings?: GroupTimings };

export function openGroups(options: GroupsOptions): OpenGroups {
  const context = { timings: defaultTimings, ...options };
  const runners = new GroupRunners(context);
  return {
    ...createAdmin(context),
    ...createParkedCalls(context),
    join: (command, call, stop) => runners.join(command, call, stop),
    facts: () => runners.facts(),
    close: () => runners.close(),
  };
}
