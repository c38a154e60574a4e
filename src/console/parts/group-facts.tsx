import type { VNode } from 'preact';
import { lagOf } from '../reads/groups';
import type { GetGroupResponse } from '../wire/group-messages';
import { counted, grouped } from './numbers';
import { ago } from './time';

/** What both pages say of a group. */
export interface GroupFacts {
  readonly behind: string;
  /** Since the oldest event that is not settled was committed; undefined: there is none. */
  readonly oldest: string | undefined;
  readonly members: string;
  readonly lanes: string;
  readonly parked: string;
}

export function factsOf({ lanes, members, parkedCount }: GetGroupResponse): GroupFacts {
  const { positions, since } = lagOf(lanes);
  return {
    behind: grouped(positions),
    oldest: since === undefined ? undefined : ago(since, Date.now()),
    members: grouped(members?.length),
    lanes: counted(lanes?.length, 'lane'),
    parked: grouped(parkedCount),
  };
}

/** Cells of the table of groups; empty until the state of the group is known. */
export function GroupCells({ state }: { readonly state: GetGroupResponse | undefined }): VNode {
  const facts = state && factsOf(state);
  return (
    <>
      <td class="number" data-label="Behind">
        {facts?.behind}
      </td>
      <td class="number" data-label="Oldest">
        {facts?.oldest}
      </td>
      <td class="number" data-label="Members">
        {facts?.members}
      </td>
      <td class="number" data-label="Parked">
        <span class={(state?.parkedCount ?? 0) > 0 ? 'badge parked' : ''}>
          {state && counted(state.parkedCount, 'event')}
        </span>
      </td>
    </>
  );
}
