/** Entries of the metadata of an event that say who was at work when it was appended: they do not distinguish one event from another. */
export const traceContextKeys: readonly string[] = ['traceparent', 'tracestate'];

/** The parts of a call that take time of their own. */
export type PartName = 'wait for turn' | 'look up' | 'publish' | 'sync' | 'catch up' | 'read pages';

/** Facts about a call or a part, by name. */
export type Notes = Readonly<Record<string, string | number>>;

/** A part of a call that is under way. */
export interface OpenPart {
  note(notes: Notes): void;
  /** `error`: what it failed with; undefined: it succeeded. */
  end(error?: unknown): void;
}

/** Where the time of one call goes. Calls have one only if somebody collects traces. */
export interface Trace {
  /** Notes facts about the call. */
  note(notes: Notes): void;
  begin(part: PartName, notes?: Notes): OpenPart;
}

/** Notes a part that has just begun and ends with the promise; `toNotes` says what is worth noting of its result. */
export function during<T>(
  trace: Trace,
  part: PartName,
  work: Promise<T>,
  toNotes?: (result: T) => Notes,
): Promise<T> {
  const open = trace.begin(part);
  return work.then(
    (result) => {
      if (toNotes !== undefined) open.note(toNotes(result));
      open.end();
      return result;
    },
    (error: unknown) => {
      open.end(error);
      throw error;
    },
  );
}
