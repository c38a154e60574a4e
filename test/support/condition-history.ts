/** An event of the log, as the check of conditions needs it. */
export interface LoggedEvent {
  readonly id: string;
  readonly position: bigint;
  readonly tags: readonly string[];
  /** Of an append with a condition: the position of the last event with its tags that its writer had seen; undefined: no condition. */
  readonly seen: bigint | undefined;
}

/**
 * What is wrong with a log: each event whose append was conditional on its own tags, of which its writer had seen all up to a last one,
 * must be stored with no other one in between. Events are in the order of the log.
 */
export function predecessorFaults(events: readonly LoggedEvent[]): string[] {
  const faults: string[] = [];
  /** Of each tag, the positions of the events that have it, in order and each once. */
  const positions = new Map<string, bigint[]>();
  const last = (tags: readonly string[], before: bigint): bigint => {
    const lists = tags.map((tag) => positions.get(tag) ?? []);
    const ends = lists.map(({ length }) => length - 1);
    // From the end of each list back to what all have.
    for (let bound = before - 1n; ;) {
      const found = lists.map((list, index) => {
        let at = ends[index] as number;
        while (at >= 0 && (list[at] as bigint) > bound) at--;
        ends[index] = at;
        return list[at] ?? 0n;
      });
      const lowest = found.reduce((one, other) => (other < one ? other : one));
      if (lowest === 0n || found.every((at) => at === lowest)) return lowest;
      bound = lowest;
    }
  };
  for (const { id, position, tags, seen } of events) {
    const found = last(tags, position);
    if (seen !== undefined && seen !== found)
      faults.push(
        `event ${id} at ${position.toString()} with ${tags.join(' ')} was decided after ${seen.toString()}, and follows ${found.toString()}`,
      );
    for (const tag of tags) {
      const list = positions.get(tag);
      if (list === undefined) positions.set(tag, [position]);
      else if (list.at(-1) !== position) list.push(position);
    }
  }
  return faults;
}
