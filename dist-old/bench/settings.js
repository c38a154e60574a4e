"use strict";
Object.defineProperty(exports, "__esModule", { value: true });
exports.UsageError = exports.helpText = void 0;
exports.parseSettings = parseSettings;
const node_util_1 = require("node:util");
const fullSizes = {
    callsShare: 1,
    manyCallers: 64,
    readEvents: 10_000,
    sequentialAppends: 10_000,
    longStreamEvents: 100_000,
    smallStoreCommits: 10_000,
    largeStoreCommits: 100_000,
};
const quickSizes = {
    callsShare: 0,
    manyCallers: 4,
    readEvents: 100,
    sequentialAppends: 10,
    longStreamEvents: 100,
    smallStoreCommits: 50,
    largeStoreCommits: 100,
};
const millionCommits = 1_000_000;
exports.helpText = `Measures Sluice beside the raw NATS client, and prints tables of medians.

Usage:
  npm run bench -- [flags]

Every server is started for the run, on loopback, with data in the system's folder for temporary
files (TMPDIR), which should be on the disk whose figures are wanted.

  --rounds <n>     Rounds that count for each row, after one to warm up. Default: 5.
  --only <regex>   Only rows whose "table: what, callers" matches, whatever the case.
  --large          The larger store of the table of store sizes has 1,000,000 commits, not 100,000.
  --clients <n>    Load processes, each with one gRPC channel and one NATS connection; a single caller
                   uses one of them. Default: 2, since with many callers one is busier than the gateway.
  --write          Also writes bench/RESULTS.md.
  --quick          Tiny counts, to see that everything works: the figures mean nothing.
  --help
`;
/** The command line cannot be used. */
class UsageError extends Error {
}
exports.UsageError = UsageError;
/** Throws UsageError. */
function parseSettings(argv) {
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
function parseFlags(argv) {
    try {
        const { values } = (0, node_util_1.parseArgs)({
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
    }
    catch (error) {
        throw new UsageError(error.message, { cause: error });
    }
}
function toCount(flag, text, max) {
    const count = /^\d{1,3}$/.test(text) ? Number(text) : 0;
    if (count < 1 || count > max)
        throw new UsageError(`${flag} must be a whole number from 1 to ${max}`);
    return count;
}
function toPattern(text) {
    try {
        return new RegExp(text, 'i');
    }
    catch (error) {
        throw new UsageError(`--only must be a regular expression: ${error.message}`, {
            cause: error,
        });
    }
}
