import { hash } from './hash';

/**
 * The member for each lane, by number. A lane goes to the member that ranks highest for it and has room: no member gets more than
 * its share, rounded up. When a member comes or goes, few lanes change hands. Every gateway finds the same from the same members.
 */
export function assign(lanes: number, members: readonly string[]): (string | undefined)[] {
  const roomOf = new Map([...members].sort().map((member) => [member, Math.ceil(lanes / members.length)]));
  return Array.from({ length: lanes }, (_, lane) => {
    const best = bestFor(lane, roomOf);
    if (best !== undefined) roomOf.set(best, (roomOf.get(best) ?? 0) - 1);
    return best;
  });
}

function bestFor(lane: number, roomOf: ReadonlyMap<string, number>): string | undefined {
  let best: string | undefined;
  let highest = -1;
  for (const [member, room] of roomOf) {
    const rank = room > 0 ? hash(`${lane.toString()}/${member}`) : -1;
    if (rank > highest) [best, highest] = [member, rank];
  }
  return best;
}
