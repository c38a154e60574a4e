import { beGreedy, followers, greeds, openSockets, type Tally } from '../support/greedy-calls';

/** A process of greedy callers: `address kind milliseconds`. Sends its parent a tally of their results. */
async function main([address = '', kind = '', forMs = '']: readonly string[]): Promise<void> {
  const signal = AbortSignal.timeout(Number(forMs));
  const greed = { ...greeds, ...followers }[kind];
  const tally: Tally =
    greed === undefined
      ? {
          ok: 0,
          refusals: { 'N connections': await openSockets(address, Number(kind), signal) },
          others: {},
          openMax: 0,
        }
      : await beGreedy(address, greed, signal);
  process.send?.(tally, () => process.exit(0));
}

void main(process.argv.slice(2));
