import { sequence as toSequence, type Sequence } from '../../store/values';

/** The name of the record that counts; those of the blocks, and of the stubs of a block, begin with it. */
const recordToken = '$removed';

/** How many sequences one record covers. */
export const blockMessages = 4_096;

/** Whether what is in place of a stream name in a subject is that of a record of removals, which readers skip. */
export function isRemovalRecord(name: string): boolean {
  return name === recordToken || name.startsWith(`${recordToken}.`);
}

interface Prefixed {
  readonly prefix: string;
}

export function countSubject({ prefix }: Prefixed): string {
  return `${prefix}.${recordToken}`;
}

export function blockSubject(log: Prefixed, block: number): string {
  return `${countSubject(log)}.${block.toString()}`;
}

export function stubsSubject(log: Prefixed, block: number, chunk: number): string {
  return `${blockSubject(log, block)}.${chunk.toString()}`;
}

/** The subjects of the records of all blocks, without those of stubs. */
export function allBlocks(log: Prefixed): string {
  return `${countSubject(log)}.*`;
}

/** The block of a subject of `allBlocks`. */
export function blockOfSubject(subject: string): number {
  return Number(subject.slice(subject.lastIndexOf('.') + 1));
}

export function blockOf(sequence: Sequence): number {
  return Number(sequence / BigInt(blockMessages));
}

/** The sequences of a block: the first one, and the one after the last. */
export function blockBounds(block: number): { readonly first: Sequence; readonly end: Sequence } {
  return {
    first: toSequence(BigInt(block) * BigInt(blockMessages)),
    end: toSequence(BigInt(block + 1) * BigInt(blockMessages)),
  };
}
