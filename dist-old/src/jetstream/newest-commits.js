"use strict";
Object.defineProperty(exports, "__esModule", { value: true });
exports.createNewestCommits = createNewestCommits;
const tail_ring_1 = require("./tail-ring");
const tail_waiters_1 = require("./tail-waiters");
/** Twice that is what a checkpoint may take. */
const sweepSequences = 500n;
/** After the last commit: the first sweep may come too early for a checkpoint. */
const quietSweepsMax = 3;
function createNewestCommits(limits) {
    const waiters = (0, tail_waiters_1.createWaiters)();
    let ring = new tail_ring_1.TailRing(limits, 0n, 0n);
    let sweptAt = 0n;
    let quietSweeps = 0;
    function sweep() {
        quietSweeps = ring.last === sweptAt ? quietSweeps + 1 : 0;
        if (quietSweeps > quietSweepsMax)
            return;
        sweptAt = ring.last;
        waiters.wakeAll(ring.last);
    }
    return {
        get ring() {
            return ring;
        },
        waiters,
        push(entry) {
            const before = ring.last;
            ring.push(entry);
            waiters.wake(entry.stream, before);
            if (ring.last - sweptAt >= sweepSequences)
                sweep();
        },
        sweep,
        skipTo(position) {
            waiters.wakeAll(ring.last);
            ring = new tail_ring_1.TailRing(limits, position, position);
            sweptAt = position;
        },
    };
}
