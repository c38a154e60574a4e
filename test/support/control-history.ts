import type { RecordedEvent } from '../../generated/sluice/v1/event';
import { historyFaults, type Attempt, type Look } from './history';

/** A control as its caller observed it. All times are from one clock. */
export interface ControlAttempt {
  readonly kind: 'truncate' | 'delete' | 'tombstone' | 'erase';
  readonly commitId: string;
  readonly startedAt: number;
  readonly endedAt: number;
  /** Of an erasure: the versions that it was to erase. */
  readonly range?: Versions | undefined;
  readonly outcome: ControlOutcome;
}

/** Both inclusive. */
export interface Versions {
  readonly from: bigint;
  readonly to: bigint;
}

export type ControlOutcome =
  /** Stored, or it would have changed nothing; with the stream after it. */
  | {
      readonly kind: 'holds';
      readonly changed: boolean;
      readonly version: bigint;
      readonly firstVersion: bigint;
    }
  /** Nothing may be stored. */
  | { readonly kind: 'refused'; readonly reason: string; readonly actualVersion: bigint | undefined }
  /** May be stored, or not. */
  | { readonly kind: 'unknown' };

/** A lookup of a stream that says where it begins, or a read of all that can be read. */
export interface ControlledLook {
  readonly startedAt: number;
  readonly endedAt: number;
  readonly version: bigint;
  readonly firstVersion: bigint;
  /** undefined: a lookup alone. */
  readonly eventIds: readonly string[] | undefined;
  /** The versions of those that were stubs. */
  readonly erased?: readonly bigint[] | undefined;
}

/** A control in the log. */
export interface LoggedControl {
  readonly kind: ControlAttempt['kind'];
  readonly commitId: string;
  readonly position: bigint;
  readonly version: bigint;
  /** Events before this version are hidden from then on. */
  readonly firstVersion: bigint;
  /** Of an erasure: what it erases. */
  readonly range?: Versions | undefined;
}

/** The history of one stream: what its callers observed, and what the log has. */
export interface ControlledHistory {
  readonly appends: readonly Attempt[];
  /** Appends that were refused because the stream was tombstoned. */
  readonly tombstoned: readonly Pick<Attempt, 'eventIds' | 'startedAt' | 'endedAt'>[];
  readonly controls: readonly ControlAttempt[];
  readonly looks: readonly ControlledLook[];
  /** All events of the log, hidden or not, in order. */
  readonly events: readonly RecordedEvent[];
  readonly logged: readonly LoggedControl[];
}

/**
 * The faults in the history of one stream. Empty if it is linearizable with its controls: versions never restart, no event follows
 * a tombstone, every control took effect at one moment between its start and its end, and what it hid or erased is never seen by a read
 * that began after its end.
 */
export function controlledFaults(history: ControlledHistory): string[] {
  return [
    ...historyFaults(history.appends, history.events, asLooks(history)),
    ...logFaults(history),
    ...history.controls.flatMap((control) => outcomeFaults(control, history)),
    ...tombstoneFaults(history),
    ...history.looks.flatMap((look) => hiddenFaults(look, history)),
    ...returnFaults(history.looks),
    ...splitFaults(history),
    ...history.looks.flatMap((look) => erasureFaults(look, history)),
    ...contentFaults(history.looks),
  ];
}

function a(kind: ControlAttempt['kind']): string {
  return kind === 'erase' ? 'an erase' : `a ${kind}`;
}

/** A control, or its conflict, observes the version of the stream. */
function asLooks({ controls, looks }: ControlledHistory): Look[] {
  const observed = controls.flatMap(({ outcome, startedAt, endedAt }): Look[] => {
    if (outcome.kind === 'holds') return [{ startedAt, endedAt, version: outcome.version, read: undefined }];
    if (outcome.kind === 'unknown' || outcome.actualVersion === undefined) return [];
    return [{ startedAt, endedAt, version: outcome.actualVersion, read: undefined }];
  });
  const seen = looks.map(({ startedAt, endedAt, version, firstVersion, eventIds }): Look => ({
    startedAt,
    endedAt,
    version,
    read: eventIds && { fromVersion: firstVersion === 0n ? 1n : firstVersion, eventIds },
  }));
  return [...observed, ...seen];
}

/** Each control leaves the version as it is, and hides at least what was hidden before. */
function logFaults({ events, logged }: ControlledHistory): string[] {
  let hidden = 1n;
  const ids = new Set<string>();
  return logged.flatMap(({ kind, commitId, position, version, firstVersion }) => {
    const before = BigInt(events.filter((event) => event.position < position).length);
    const faults = [
      ...(version === before ? [] : [`${a(kind)} at version ${before} says version ${version}`]),
      ...(firstVersion >= hidden ? [] : [`${a(kind)} brings back versions before ${hidden}`]),
      ...(ids.has(commitId) ? [`control ${commitId} is stored twice`] : []),
    ];
    ids.add(commitId);
    hidden = firstVersion;
    return faults;
  });
}

function outcomeFaults({ kind, commitId, outcome }: ControlAttempt, { logged }: ControlledHistory): string[] {
  const stored = logged.find((control) => control.commitId === commitId);
  if (outcome.kind === 'unknown') return [];
  if (outcome.kind === 'refused')
    return stored === undefined ? [] : [`${a(kind)} was refused (${outcome.reason}), but is stored`];
  if (stored === undefined) return outcome.changed ? [`${a(kind)} was acknowledged, but is lost`] : [];
  return [
    ...(outcome.changed ? [] : [`${a(kind)} that changed nothing is stored`]),
    // The result describes the stream after the call: others may have appended since.
    ...(stored.version <= outcome.version ? [] : [`${a(kind)} was acknowledged with an earlier version`]),
  ];
}

function tombstoneFaults({ appends, tombstoned, controls, events, logged }: ControlledHistory): string[] {
  const tombstone = logged.find(({ kind }) => kind === 'tombstone');
  const last = events.at(-1);
  const begun = controls.filter(({ kind }) => kind === 'tombstone').map(({ startedAt }) => startedAt);
  const first = Math.min(...begun);
  const ended = controls
    .filter(({ kind, outcome }) => kind === 'tombstone' && outcome.kind === 'holds')
    .map(({ endedAt }) => endedAt);
  const late = appends.filter(
    ({ outcome, startedAt }) => outcome.kind === 'stored' && startedAt > Math.min(...ended),
  );
  return [
    ...(tombstone !== undefined && last !== undefined && last.position > tombstone.position
      ? [`version ${last.version} follows a tombstone`]
      : []),
    ...tombstoned
      .filter(({ endedAt }) => tombstone === undefined || endedAt < first)
      .map(({ eventIds }) => `the append of ${eventIds[0] ?? 'nothing'} met a tombstone that was not there`),
    ...late.map(({ eventIds }) => `the append of ${eventIds[0] ?? 'nothing'} began after a tombstone`),
  ];
}

/** A look that began after a control had ended begins at least where that control says, and nowhere that no control can have said. */
function hiddenFaults(look: ControlledLook, { controls, logged }: ControlledHistory): string[] {
  if (look.version === 0n) return [];
  const least = controls.reduce((most, { endedAt, outcome }) => {
    const holds = outcome.kind === 'holds' && endedAt < look.startedAt;
    return holds && outcome.firstVersion > most ? outcome.firstVersion : most;
  }, 1n);
  const startOf = new Map(controls.map(({ commitId, startedAt }) => [commitId, startedAt]));
  const possible = logged.filter(({ commitId }) => (startOf.get(commitId) ?? 0) < look.endedAt);
  const most = possible.reduce((top, { firstVersion }) => (firstVersion > top ? firstVersion : top), 1n);
  return [
    ...(look.firstVersion < least
      ? [
          `a read that began later saw version ${look.firstVersion}, although those before ${least} were hidden`,
        ]
      : []),
    ...(look.firstVersion > most
      ? [`a read began at version ${look.firstVersion}, although only those before ${most} were hidden`]
      : []),
  ];
}

/** What one look no longer saw, none that began after its end may see. */
function returnFaults(looks: readonly ControlledLook[]): string[] {
  const byEnd = [...looks].sort((a, b) => a.endedAt - b.endedAt);
  const byStart = [...looks].sort((a, b) => a.startedAt - b.startedAt);
  let ended = 0;
  let hidden = 0n;
  return byStart.flatMap(({ startedAt, firstVersion }) => {
    for (let next = byEnd[ended]; next !== undefined && next.endedAt < startedAt; next = byEnd[++ended])
      if (next.firstVersion > hidden) hidden = next.firstVersion;
    return firstVersion < hidden
      ? [`a read saw version ${firstVersion} after one that began at ${hidden}`]
      : [];
  });
}

/** An erasure covers whole commits, which are those of the log before it. */
function splitFaults({ events, logged }: ControlledHistory): string[] {
  return logged.flatMap(({ range, position }) => {
    if (range === undefined) return [];
    const { from, to } = range;
    const before = events.filter((event) => event.position < position);
    const at = (version: bigint): bigint | undefined =>
      before.find((event) => event.version === version)?.position;
    const splits = (version: bigint): boolean => at(version) === at(version + 1n);
    const missing = at(from) === undefined || at(to) === undefined;
    return missing || splits(from - 1n) || splits(to)
      ? [`an erasure of versions ${from} to ${to} covers no whole commits`]
      : [];
  });
}

/** A read that began after an erasure had ended has stubs for it, and none has stubs for what nobody had begun to erase. */
function erasureFaults(look: ControlledLook, { controls, logged }: ControlledHistory): string[] {
  const { eventIds, firstVersion, erased = [], startedAt, endedAt } = look;
  if (eventIds === undefined) return [];
  const startOf = new Map(controls.map((control) => [control.commitId, control.startedAt]));
  const must = controls.filter(({ outcome, endedAt: end }) => outcome.kind === 'holds' && end < startedAt);
  const may = logged.filter(({ commitId }) => (startOf.get(commitId) ?? 0) < endedAt);
  const covers =
    (version: bigint) =>
    ({ range }: { readonly range?: Versions | undefined }): boolean =>
      range !== undefined && range.from <= version && version <= range.to;
  return eventIds.flatMap((_, index) => {
    const version = (firstVersion === 0n ? 1n : firstVersion) + BigInt(index);
    const isStub = erased.includes(version);
    if (!isStub && must.some(covers(version)))
      return [`a read that began later had the contents of version ${version}, which was erased`];
    if (isStub && !may.some(covers(version)))
      return [`a read had a stub of version ${version}, which nobody had erased`];
    return [];
  });
}

/** What one read had as a stub, none that began after its end has with contents. */
function contentFaults(looks: readonly ControlledLook[]): string[] {
  const since = new Map<bigint, number>();
  for (const { erased = [], endedAt } of looks)
    for (const version of erased) since.set(version, Math.min(since.get(version) ?? Infinity, endedAt));
  return looks.flatMap(({ eventIds = [], firstVersion, erased = [], startedAt }) =>
    eventIds.flatMap((_, index) => {
      const version = (firstVersion === 0n ? 1n : firstVersion) + BigInt(index);
      return !erased.includes(version) && (since.get(version) ?? Infinity) < startedAt
        ? [`a read had the contents of version ${version} after one that had a stub`]
        : [];
    }),
  );
}
