import type { VNode } from 'preact';
import { GroupCells } from '../parts/group-facts';
import { Busy, Page } from '../parts/page';
import { Problem } from '../parts/problem';
import { addressOf } from '../parts/route';
import { SameAs } from '../parts/same-as';
import { shown } from '../parts/shown';
import { useCall } from '../parts/use-call';
import { getGroup, listGroups } from '../reads/groups';
import type { Group } from '../wire/group-messages';

/** All consumer groups that the caller may see. */
export function GroupsPage(): VNode {
  const read = useCall((signal) => listGroups(signal), 'groups');
  return (
    <Page title="Groups">
      <Problem error={read.error} again={read.again} />
      <Busy busy={read.busy && read.data === undefined} />
      {read.data?.length === 0 && <p class="nothing">There is no consumer group that you may see.</p>}
      {read.data !== undefined && read.data.length > 0 && (
        <div class="scroll">
          <table class="groups" aria-label="Groups">
            <thead>
              <tr>
                <th scope="col">Group</th>
                <th scope="col" class="wide">
                  Streams
                </th>
                <th scope="col" class="number">
                  Behind
                </th>
                <th scope="col" class="number">
                  Oldest
                </th>
                <th scope="col" class="number">
                  Members
                </th>
                <th scope="col" class="number">
                  Parked
                </th>
              </tr>
            </thead>
            <tbody>
              {read.data.map((group) => (
                <GroupRow key={group.name} group={group} />
              ))}
            </tbody>
          </table>
        </div>
      )}
      <SameAs
        commands={{ method: 'ConsumerGroupService/ListGroups', request: {}, sluice: ['group', 'list'] }}
      />
    </Page>
  );
}

function GroupRow({ group }: { readonly group: Group }): VNode {
  const { name = '', settings } = group;
  const read = useCall((signal) => getGroup(name, signal), name, 3_000);
  return (
    <tr>
      <td class="group-cell">
        <a class="mono wrap" href={addressOf(['groups', name])}>
          {shown(name)}
        </a>
      </td>
      <td class="mono wrap wide">{shown(settings?.patterns?.join(' ') ?? 'all')}</td>
      <GroupCells state={read.data} />
    </tr>
  );
}
