import { beGreedy, followers, greeds, openSockets, type Told } from '../support/greedy-calls';

/** A process of callers who ask for more than they may have: `address kind milliseconds`; tells its parent how they were answered. */
async function main([address = '', kind = '', forMs = '']: readonly string[]): Promise<void> {
  const signal = AbortSignal.timeout(Number(forMs));
  const greed = { ...greeds, ...followers }[kind];
  const told: Told =
    greed === undefined
      ? {
          ok: 0,
          refusals: { 'N connections': await openSockets(address, Number(kind), signal) },
          others: {},
          openMax: 0,
        }
      : await beGreedy(address, greed, signal);
  process.send?.(told, () => process.exit(0));
}

void main(process.argv.slice(2));
