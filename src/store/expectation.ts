import type { Version } from './values';

/** What an append expects of a stream: exactly a version (0: an empty stream), or that it exists, at any version. */
export type Expectation = Version | 'exists';

/** Whether a stream at this version is as expected. `undefined`: any version is. */
export function isAsExpected(version: bigint, expected: Expectation | undefined): boolean {
  if (expected === undefined) return true;
  return expected === 'exists' ? version > 0n : version === expected;
}
