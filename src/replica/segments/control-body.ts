import type { LogControl } from '../../store/log';
import type { Retention, StreamControl, StreamRules } from '../../store/stream-rules';
import { version as asVersion } from '../../store/values';
import { DamagedReplicaError } from './damage';
import { writeUint64BE } from './uint64';

/**
 * How the files of a replica hold what a control does: rules as three numbers and flags, and before them what was asked for. Numbers
 * are big-endian; 0 stands for no bound.
 */
export const rulesBytes = 3 * 8 + 1;

const flag = { deleted: 1, tombstoned: 2 } as const;

export function writeRules(target: Buffer, at: number, rules: StreamRules): void {
  writeUint64BE(target, at, rules.firstVersion);
  writeRetention(target, at + 8, rules);
  target[at + 24] = (rules.isDeleted ? flag.deleted : 0) | (rules.isTombstoned ? flag.tombstoned : 0);
}

export function readRules(source: Buffer, at: number): StreamRules {
  const flags = source[at + 24] as number;
  return {
    firstVersion: asVersion(source.readBigUInt64BE(at)),
    isDeleted: (flags & flag.deleted) !== 0,
    isTombstoned: (flags & flag.tombstoned) !== 0,
    ...readRetention(source, at + 8),
  };
}

function writeRetention(target: Buffer, at: number, { maxCount, maxAgeNanos }: Retention): void {
  writeUint64BE(target, at, maxCount ?? 0n);
  writeUint64BE(target, at + 8, maxAgeNanos ?? 0n);
}

function readRetention(source: Buffer, at: number): Retention {
  const [maxCount, maxAgeNanos] = [source.readBigUInt64BE(at), source.readBigUInt64BE(at + 8)];
  return {
    maxCount: maxCount === 0n ? undefined : maxCount,
    maxAgeNanos: maxAgeNanos === 0n ? undefined : maxAgeNanos,
  };
}

const kinds = ['truncate', 'retain', 'delete', 'tombstone', 'erase'] as const;

/** The body of the record of a control: its kind, two numbers, its rules; of an erasure, then the reason. */
const controlBodyBytesMin = 1 + 2 * 8 + rulesBytes;

export function controlBodyBytes({ control }: Pick<LogControl, 'control'>): number {
  return controlBodyBytesMin + (control.kind === 'erase' ? Buffer.byteLength(control.reason) : 0);
}

export function writeControlBody(
  target: Buffer,
  at: number,
  { control, rules }: Pick<LogControl, 'control' | 'rules'>,
): void {
  target.fill(0, at, at + controlBodyBytesMin);
  target[at] = kinds.indexOf(control.kind);
  if (control.kind === 'truncate') writeUint64BE(target, at + 1, control.before);
  if (control.kind === 'retain') writeRetention(target, at + 1, control.retention);
  if (control.kind === 'erase') {
    writeUint64BE(target, at + 1, control.fromVersion);
    writeUint64BE(target, at + 9, control.toVersion);
    target.write(control.reason, at + controlBodyBytesMin);
  }
  writeRules(target, at + 17, rules);
}

/** Throws DamagedReplicaError. */
export function readControlBody(body: Buffer): Pick<LogControl, 'control' | 'rules'> {
  if (body.length < controlBodyBytesMin)
    throw new DamagedReplicaError('the record of a control has a wrong length');
  const control = controlOf(body);
  if (body.length !== controlBodyBytes({ control }))
    throw new DamagedReplicaError('the record of a control has a wrong length');
  return { control, rules: readRules(body, 17) };
}

/** Whether the record of a control, whose body begins here, is that of an erasure. */
export function isErasureAt(bytes: Uint8Array, bodyStart: number): boolean {
  return bytes[bodyStart] === kinds.indexOf('erase');
}

function controlOf(body: Buffer): StreamControl {
  const kind = kinds[body[0] as number];
  switch (kind) {
    case 'truncate':
      return { kind, before: asVersion(body.readBigUInt64BE(1)) };
    case 'retain':
      return { kind, retention: readRetention(body, 1) };
    case 'delete':
    case 'tombstone':
      return { kind };
    case 'erase': {
      const [fromVersion, toVersion] = [body.readBigUInt64BE(1), body.readBigUInt64BE(9)];
      const reason = body.toString('utf8', controlBodyBytesMin);
      return { kind, fromVersion: asVersion(fromVersion), toVersion: asVersion(toVersion), reason };
    }
    default:
      throw new DamagedReplicaError('the record of a control is of an unknown kind');
  }
}
