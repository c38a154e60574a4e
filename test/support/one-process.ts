/** Set: gateways of tests have this many workers, see CONTRIBUTING.md. */
export const testWorkers = process.env['TEST_WORKERS'];

type Test = (name: string, run: () => Promise<void>, timeoutMs?: number) => void;

/** `test` for what holds only in a gateway of one process: it is left out where gateways have workers. `why` completes its name. */
export function inOneProcess(why: string): Test {
  return (name, run, timeoutMs) => {
    if (testWorkers === undefined) test(name, run, timeoutMs);
    else test.skip(`${name} (only in one process: ${why})`, run, timeoutMs);
  };
}

/** Why a bound that several connections reach together is tested in one process. */
export const divided = 'each worker has its share, and the connections are with several';

/** A limit of the whole gateway of which each process that serves has this share. */
export function wholeOf(share: number): number {
  return share * Number(testWorkers ?? 1);
}

/** How many processes a gateway has. */
export const processes = testWorkers === undefined ? 1 : 1 + Number(testWorkers);
