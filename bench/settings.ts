import { parseArgs } from 'node:util';

/** The settings of a run, from the command line. */
export interface Settings {
  readonly help: boolean;
  readonly quick: boolean;
  readonly write: boolean;
  readonly only: RegExp;
  readonly rounds: number;
  readonly clients: number;
  readonly sizes: Sizes;
}

/** The sizes of the data and of the load. */
export interface Sizes {
  /** The share of the calls of a full run. */
  readonly callsShare: number;
  /** The number of callers in rows with many callers. */
  readonly manyCallers: number;
  /** The length of streams that are read as a whole. */
  readonly readEvents: number;
  /** Appends to one stream, one after the other. */
  readonly sequentialAppends: number;
  readonly longStreamEvents: number;
  readonly smallStoreCommits: number;
  readonly largeStoreCommits: number;
}

const fullSizes: Sizes = {
  callsShare: 1,
  manyCallers: 64,
  readEvents: 10_000,
  sequentialAppends: 10_000,
  longStreamEvents: 100_000,
  smallStoreCommits: 10_000,
  largeStoreCommits: 100_000,
};

const quickSizes: Sizes = {
  callsShare: 0,
  manyCallers: 4,
  readEvents: 100,
  sequentialAppends: 10,
  longStreamEvents: 100,
  smallStoreCommits: 50,
  largeStoreCommits: 100,
};

const millionCommits = 1_000_000;

export const helpText = `Measures Sluice beside the raw NATS client, and prints tables of medians.

Usage:
  npm run bench -- [flags]

Every server is started for the run, on loopback, with data in the system's folder for temporary
files (TMPDIR), which should be on the disk whose figures are wanted.

  --rounds <n>     Rounds that count for each row, after 10 s to warm up. Default: 5.
  --only <regex>   Only rows whose "table: what, callers" matches, whatever the case.
  --large          The larger store of the table of store sizes has 1,000,000 commits, not 100,000.
  --clients <n>    Load processes, each with one gRPC channel and one NATS connection; a single caller
                   uses one of them. Default: 2, since with many callers one is busier than the gateway.
  --write          Also writes bench/RESULTS.md; tables that --only chooses as a part of their own.
  --quick          Tiny counts, to see that everything works: the figures mean nothing.
  --help
`;

/** The command line is not valid. */
export class UsageError extends Error {}

/** Throws UsageError. */
export function parseSettings(argv: readonly string[]): Settings {
  const { quick, large, ...flags } = parseFlags(argv);
  const sizes = quick ? quickSizes : fullSizes;
  return {
    help: flags.help,
    quick,
    write: flags.write,
    only: toPattern(flags.only),
    rounds: toCount('--rounds', flags.rounds ?? '5', 100),
    clients: toCount('--clients', flags.clients ?? '2', 64),
    sizes: large ? { ...sizes, largeStoreCommits: millionCommits } : sizes,
  };
}

function parseFlags(argv: readonly string[]) {
  try {
    const { values } = parseArgs({
      args: [...argv],
      strict: true,
      allowPositionals: false,
      options: {
        help: { type: 'boolean', short: 'h', default: false },
        quick: { type: 'boolean', default: false },
        write: { type: 'boolean', default: false },
        large: { type: 'boolean', default: false },
        only: { type: 'string', default: '' },
        rounds: { type: 'string' },
        clients: { type: 'string' },
      },
    });
    return values;
  } catch (error) {
    throw new UsageError((error as Error).message, { cause: error });
  }
}

function toCount(flag: string, text: string, max: number): number {
  const count = /^\d{1,3}$/.test(text) ? Number(text) : 0;
  if (count < 1 || count > max) throw new UsageError(`${flag} must be a whole number from 1 to ${max}`);
  return count;
}

function toPattern(text: string): RegExp {
  try {
    return new RegExp(text, 'i');
  } catch (error) {
    throw new UsageError(`--only must be a regular expression: ${(error as Error).message}`, {
      cause: error,
    });
  }
}
