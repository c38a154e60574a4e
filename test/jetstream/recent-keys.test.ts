import fc from 'fast-check';
import { createRecentKeys, type CommitKeys } from '../../src/jetstream/recent-keys';
import { bounded } from '../store/recorded-events';

/** What is not known of the log has to be read from it: together that is everything, whatever was noted and forgotten. */

const messagesMax = 8;
const hash = fc.bigInt({ min: 0n, max: 3n });
const steps = fc.array(
  fc.oneof(
    // A commit of several messages at the end of the log, of which this gateway notes all, some or none.
    fc.record({
      add: fc.array(fc.array(hash, { maxLength: 40 }), { minLength: 1, maxLength: 3 }),
      by: fc.nat(2),
    }),
    fc.record({ forget: fc.nat(10) }),
    fc.record({ read: fc.nat(10) }),
  ),
  { maxLength: 40 },
);

test('what is known and what has to be read are all of a stretch', () => {
  fc.assert(
    fc.property(steps, fc.nat(20), (given, length) => {
      const recent = createRecentKeys(messagesMax);
      const log: CommitKeys[] = [];
      for (const step of given) {
        if ('forget' in step) recent.forget(BigInt(Math.max(0, log.length - step.forget)));
        else if ('read' in step) for (const keys of log.slice(-step.read)) recent.add(keys);
        else {
          const from = BigInt(log.length + 1);
          const position = BigInt(log.length + step.add.length);
          // As the index writer sees them, each message has its own keys; the gateway that stored it knows them together.
          const hashes = [...new Set(step.add.flat())];
          step.add.forEach((_, index) =>
            log.push({
              sequence: from + BigInt(index),
              position,
              hashes: index === step.add.length - 1 ? hashes : [],
            }),
          );
          if (step.by === 0) recent.add({ sequence: position, position, hashes }, from);
        }
      }
      const stretch = { from: BigInt(Math.max(1, log.length - length)), to: BigInt(log.length) };
      const gaps = recent.gaps(stretch);
      const isIn = ({ from, to }: typeof stretch, sequence: bigint): boolean =>
        sequence >= from && sequence <= to;
      const inStretch = log.filter(({ sequence }) => isIn(stretch, sequence));
      const toRead = inStretch.filter(({ sequence }) => gaps.some((gap) => isIn(gap, sequence)));
      const known = inStretch.flatMap(({ sequence }) => recent.known({ from: sequence, to: sequence }, 1));
      const first = recent.known(stretch, 3).map(({ sequence }) => sequence);
      expect(first).toEqual(inStretch.slice(0, first.length).map(({ sequence }) => sequence));
      expect(first.length).toBeLessThanOrEqual(3);
      if (first.length < 3 && first.length < inStretch.length)
        expect((gaps[0]?.from ?? 0n) <= stretch.from + BigInt(first.length)).toBe(gaps.length > 0);
      for (const keys of known) {
        const { hashes } = log[Number(keys.sequence) - 1] as CommitKeys;
        expect(new Set(keys.hashes)).toEqual(new Set(hashes));
        if (hashes.length > 0) expect(keys).toEqual(log[Number(keys.sequence) - 1]);
      }
      const seen = new Set([...known, ...toRead].map(({ sequence }) => sequence));
      expect(inStretch.filter(({ sequence }) => !seen.has(sequence))).toEqual([]);
      for (const wanted of [0n, 1n, 2n, 3n]) {
        const holds = ({ hashes }: CommitKeys): boolean => hashes.includes(wanted);
        const found = new Set([
          ...recent.positions(wanted),
          ...toRead.filter(holds).map(({ position }) => position),
        ]);
        const there = inStretch.filter(holds).map(({ position }) => position);
        expect(there.filter((position) => !found.has(position))).toEqual([]);
        expect(
          [...found].filter((position) => !log.some((keys) => keys.position === position && holds(keys))),
        ).toEqual([]);
      }
    }),
    { ...bounded, numRuns: 2_000 },
  );
});
