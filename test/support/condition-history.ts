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
  /** Of each tag, the positions of the events that have it. */
  const positions = new Map<string, Set<bigint>>();
  const last = (tags: readonly string[], before: bigint): bigint => {
    const [first = new Set<bigint>(), ...others] = tags.map((tag) => positions.get(tag) ?? new Set<bigint>());
    const common = [...first].filter((at) => at < before && others.every((other) => other.has(at)));
    return common.at(-1) ?? 0n;
  };
  for (const { id, position, tags, seen } of events) {
    const found = last(tags, position);
    if (seen !== undefined && seen !== found)
      faults.push(
        `event ${id} at ${position.toString()} with ${tags.join(' ')} was decided after ${seen.toString()}, and follows ${found.toString()}`,
      );
    for (const tag of tags) positions.set(tag, (positions.get(tag) ?? new Set()).add(position));
  }
  return faults;
}
