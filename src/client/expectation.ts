import { toUint64, type WholeNumber } from './numbers';

/** What an append expects of a stream. 0: it is empty; n: it is at exactly version n; 'exists': it is not empty. */
export type ExpectedVersion = WholeNumber | 'exists';

interface ProtoExpectation {
  readonly expectedVersion: bigint | undefined;
  readonly mustExist: boolean;
}

/** As the contract has it; `undefined`: any version. Throws TypeError and RangeError that name the argument. */
export function toProtoExpectation(expected: ExpectedVersion | undefined, name: string): ProtoExpectation {
  if (expected === 'exists') return { expectedVersion: undefined, mustExist: true };
  const expectedVersion = expected === undefined ? undefined : toUint64(expected, name);
  return { expectedVersion, mustExist: false };
}
