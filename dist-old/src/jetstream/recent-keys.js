"use strict";
Object.defineProperty(exports, "__esModule", { value: true });
exports.createRecentKeys = createRecentKeys;
/** To read so many messages costs about as much as one more question to the log. */
const bridgeMessagesMax = 256n;
function createRecentKeys(commitsMax) {
    // A Map keeps the order of insertion, so its first entry is the oldest.
    const known = new Map();
    function set(sequence, hashes) {
        known.set(Number(sequence), hashes);
        if (known.size <= commitsMax)
            return;
        const [oldest] = known.keys();
        known.delete(oldest);
    }
    function* unknownRuns({ from, to }) {
        // What lies before the oldest need not be asked for one by one: it may be the whole log.
        const [first] = known.keys();
        const oldest = first === undefined ? to + 1n : BigInt(first);
        let start = from < oldest ? from : undefined;
        for (let sequence = from < oldest ? oldest : from; sequence <= to; sequence++) {
            if (!known.has(Number(sequence)))
                start ??= sequence;
            else if (start !== undefined) {
                yield { from: start, to: sequence - 1n };
                start = undefined;
            }
        }
        if (start !== undefined)
            yield { from: start, to };
    }
    return {
        add({ from, to }, hashes) {
            for (let sequence = from; sequence < to; sequence++)
                set(sequence, []);
            set(to, hashes);
        },
        forget(through) {
            for (const sequence of known.keys()) {
                if (sequence > through)
                    return;
                known.delete(sequence);
            }
        },
        *within({ from, to }) {
            for (let sequence = from; sequence <= to; sequence++) {
                const hashes = known.get(Number(sequence));
                if (hashes !== undefined)
                    yield { sequence, position: sequence, hashes };
            }
        },
        *gaps(stretch) {
            let gap;
            for (const run of unknownRuns(stretch)) {
                if (gap !== undefined && run.from - gap.to > bridgeMessagesMax) {
                    yield gap;
                    gap = undefined;
                }
                gap = { from: gap?.from ?? run.from, to: run.to };
            }
            if (gap !== undefined)
                yield gap;
        },
    };
}
