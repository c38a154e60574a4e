import { createHash } from 'node:crypto';
import type { Retention, StreamDescription, StreamState, VersionRange } from '../client/client';
import { isObject } from './event-json';

/** What the controls of a stream leave of it, as an export has it: it holds at the end of the export. */
export interface ExportedControl extends Retention {
  readonly stream: string;
  /** The position of its last control. */
  readonly position: bigint;
  readonly state: StreamState;
  /** Events before this version are hidden for good; 1: none. */
  readonly truncatedBefore: bigint;
  /** The version that the stream has at least. */
  readonly version: bigint;
  /** The records of its erasures, the newest last. */
  readonly erased: readonly ExportedErasure[];
}

/** Why a part of a stream was erased. */
export interface ExportedErasure extends VersionRange {
  readonly reason: string;
}

/** Of a stream whose last control is at or before `upTo`, the end of the export. */
export function toExportedControl(description: StreamDescription, upTo: bigint): ExportedControl {
  const { stream, state, truncatedBefore, retention, position, version, erased } = description;
  return {
    stream,
    position: description.controlPosition,
    state,
    truncatedBefore,
    // Events after the end of the export are not in it.
    version: position <= upTo ? version : truncatedBefore - 1n,
    erased,
    ...retention,
  };
}

export function controlLine({ stream, maxAgeMs, ...control }: ExportedControl): string {
  return JSON.stringify({
    stream,
    control: {
      position: control.position.toString(),
      state: control.state,
      version: control.version.toString(),
      truncatedBefore: control.truncatedBefore.toString(),
      ...(control.maxCount !== undefined && { maxCount: control.maxCount.toString() }),
      ...(maxAgeMs !== undefined && { maxAgeMs }),
      ...(control.erased.length > 0 && { erased: control.erased.map(toErasureJson) }),
    },
  });
}

function toErasureJson({ fromVersion, toVersion, reason }: ExportedErasure): object {
  return { fromVersion: fromVersion.toString(), toVersion: toVersion.toString(), reason };
}

/** undefined: an export does not write this. */
function readErasures(value: unknown = []): readonly ExportedErasure[] | undefined {
  if (!Array.isArray(value)) return undefined;
  const erasures = value.flatMap((one: unknown): ExportedErasure[] => {
    if (!isObject(one)) return [];
    const [fromVersion, toVersion] = [numberOf(one['fromVersion']), numberOf(one['toVersion'])];
    const { reason } = one;
    if (fromVersion === undefined || toVersion === undefined || typeof reason !== 'string') return [];
    return [{ fromVersion, toVersion, reason }];
  });
  return erasures.length === value.length ? erasures : undefined;
}

const states: readonly unknown[] = ['active', 'deleted', 'tombstoned'] satisfies readonly StreamState[];

/** undefined: an export does not write this. */
export function readControl({
  stream,
  control,
}: Readonly<Record<string, unknown>>): ExportedControl | undefined {
  if (typeof stream !== 'string' || !isObject(control)) return undefined;
  const [position, version, truncatedBefore] = ['position', 'version', 'truncatedBefore'].map((field) =>
    numberOf(control[field]),
  );
  const { state, maxAgeMs } = control;
  const maxCount = control['maxCount'] === undefined ? 0n : numberOf(control['maxCount']);
  if (position === undefined || version === undefined || maxCount === undefined) return undefined;
  const erased = readErasures(control['erased']);
  if (erased === undefined) return undefined;
  if (truncatedBefore === undefined || truncatedBefore < 1n || version < truncatedBefore - 1n)
    return undefined;
  if (!states.includes(state)) return undefined;
  if (maxAgeMs !== undefined && !(Number.isSafeInteger(maxAgeMs) && Number(maxAgeMs) > 0)) return undefined;
  return {
    stream,
    position,
    state: state as StreamState,
    version,
    truncatedBefore,
    maxCount: maxCount === 0n ? undefined : maxCount,
    maxAgeMs: maxAgeMs as number | undefined,
    erased,
  };
}

function numberOf(value: unknown): bigint | undefined {
  return typeof value === 'string' && /^\d{1,20}$/.test(value) ? BigInt(value) : undefined;
}

/** What distinguishes a commit from any other one. */
interface CommitContent {
  readonly appends: readonly {
    readonly stream: string;
    readonly firstVersion: bigint;
    readonly events: readonly { readonly id?: string | undefined }[];
  }[];
}

/**
 * The commit id for an import: a UUID version 8 (RFC 9562), always the same for the same commit, so that a repeated import stores
 * nothing twice.
 */
export function commitIdOf({ appends }: CommitContent): string {
  const hash = createHash('sha256').update('sluice import');
  for (const { stream, firstVersion, events } of appends) {
    hash.update(`\0${stream}\0${firstVersion.toString()}`);
    for (const { id } of events) hash.update(`\0${id ?? ''}`);
  }
  return uuidOf(hash.digest('hex'));
}

/** The same for a part of a control. */
export function controlIdOf(control: ExportedControl, part: 'truncate' | 'retain' | 'end'): string {
  const hash = createHash('sha256').update(
    `sluice import ${part}\0${controlLine({ ...control, erased: [] })}`,
  );
  return uuidOf(hash.digest('hex'));
}

function uuidOf(hex: string): string {
  const variant = ((Number.parseInt(hex.slice(16, 17), 16) & 0x3) | 0x8).toString(16);
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-${variant}${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}
