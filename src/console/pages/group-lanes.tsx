import type { VNode } from 'preact';
import { grouped } from '../parts/numbers';
import { shown } from '../parts/shown';
import { Time } from '../parts/time';
import type { Lane, Member } from '../wire/group-messages';

/** Who works for a group. */
export function Members({ members }: { readonly members: readonly Member[] }): VNode {
  return (
    <section aria-labelledby="members">
      <h2 id="members">Members</h2>
      {members.length === 0 && <p class="faint">Nobody has joined.</p>}
      {members.length > 0 && (
        <div class="scroll">
          <table aria-labelledby="members">
            <thead>
              <tr>
                <th scope="col" class="wide">
                  Member
                </th>
                <th scope="col" class="number">
                  Lanes
                </th>
                <th scope="col" class="number">
                  In flight at most
                </th>
                <th scope="col">Gateway</th>
              </tr>
            </thead>
            <tbody>
              {members.map((member) => (
                <tr key={member.id}>
                  <td class="wide mono wrap">{shown(member.id ?? '')}</td>
                  <td class="number" data-label="Lanes">
                    {grouped(member.lanes?.length)}
                  </td>
                  <td class="number" data-label="In flight">
                    {grouped(member.maxInFlight)}
                  </td>
                  <td class="mono wrap">{shown(member.gateway ?? '')}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </section>
  );
}

/** How far each lane of a group is. */
export function Lanes({ lanes }: { readonly lanes: readonly Lane[] }): VNode {
  return (
    <section aria-labelledby="lanes">
      <h2 id="lanes">Lanes</h2>
      <div class="scroll">
        <table class="lanes" aria-labelledby="lanes">
          <thead>
            <tr>
              <th scope="col" class="number">
                Lane
              </th>
              <th scope="col" class="wide">
                Member
              </th>
              <th scope="col" class="number">
                Settled up to
              </th>
              <th scope="col" class="number">
                Behind
              </th>
              <th scope="col" class="number">
                Streams waiting
              </th>
              <th scope="col">Oldest unsettled</th>
            </tr>
          </thead>
          <tbody>
            {lanes.map((lane) => (
              <tr key={lane.number ?? 0}>
                <td class="number" data-label="Lane">
                  {lane.number ?? 0}
                </td>
                <td class="wide mono wrap">{shown(lane.member ?? '')}</td>
                <td class="number" data-label="Settled up to">
                  {grouped(lane.floorPosition)}
                </td>
                <td class="number" data-label="Behind">
                  {grouped(lane.lag)}
                </td>
                <td class="number" data-label="Waiting">
                  {grouped(lane.streamsWaiting)}
                </td>
                <td class="time-cell">{lane.oldestTime !== undefined && <Time at={lane.oldestTime} />}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
}
