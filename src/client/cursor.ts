import { toUint64, type WholeNumber } from './numbers';

/**
 * Where a reader is in the order of the whole store, also within a commit: a text without spaces, to be stored as it is together
 * with what the program makes of the events. It belongs to the filters and the direction of the read or subscription that it
 * comes from, and to the store: another store fails with StoreMismatchError.
 */
export type Cursor = string;

/** A cursor as the contract has it. */
export interface CursorFields {
  readonly afterPosition: bigint | undefined;
  readonly afterCount: bigint | undefined;
  readonly storeId: string;
}

/** `position[+count][@storeId]` */
const form = /^(\d{1,20})(?:\+(\d{1,20}))?(?:@([\x21-\x7e]+))?$/;

/** A position means after the whole commit, in any store. Throws TypeError and RangeError. */
export function toCursorFields(after: WholeNumber | Cursor | undefined): CursorFields {
  if (after === undefined) return { afterPosition: undefined, afterCount: undefined, storeId: '' };
  if (typeof after !== 'string')
    return { afterPosition: toUint64(after, 'after'), afterCount: undefined, storeId: '' };
  const [, position, count, storeId = ''] = form.exec(after) ?? [];
  if (position === undefined) throw new TypeError(`after is not a cursor: ${JSON.stringify(after)}`);
  return {
    afterPosition: toUint64(BigInt(position), 'after'),
    afterCount: count === undefined ? undefined : toUint64(BigInt(count), 'after'),
    storeId,
  };
}

/** The cursor of a loop, which moves on with each event. */
export class MovingCursor {
  constructor(private fields: CursorFields) {}

  get current(): CursorFields {
    return this.fields;
  }

  /** undefined: there is no position yet. */
  get text(): Cursor | undefined {
    const { afterPosition: position, afterCount: count, storeId } = this.fields;
    if (position === undefined) return undefined;
    const within = count === undefined ? '' : `+${count.toString()}`;
    return `${position.toString()}${within}${storeId === '' ? '' : `@${storeId}`}`;
  }

  restart(fields: CursorFields): void {
    this.fields = fields;
  }

  onStore(storeId: string): void {
    if (storeId !== '') this.fields = { ...this.fields, storeId };
  }

  onEvent(position: bigint): void {
    const { afterPosition, afterCount = 0n, storeId } = this.fields;
    const before = position === afterPosition ? afterCount : 0n;
    this.fields = { afterPosition: position, afterCount: before + 1n, storeId };
  }

  /** The loop has all events up to a position; undefined: it stands within a commit. */
  onPosition(position: bigint | undefined): void {
    if (position === undefined) return;
    this.fields = { afterPosition: position, afterCount: undefined, storeId: this.fields.storeId };
  }
}
