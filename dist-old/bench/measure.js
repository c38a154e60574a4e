"use strict";
Object.defineProperty(exports, "__esModule", { value: true });
exports.measure = measure;
/**
 * Measures a row: the sides take turns, slot by slot, so that what disturbs the machine disturbs both. The first round
 * warms up and does not count.
 */
async function measure(plan, row, rounds, signal) {
    const slots = [[], []];
    for (let round = 0; round <= rounds; round++) {
        for (const side of [0, 1]) {
            signal.throwIfAborted();
            const { clients } = plan.sides[side];
            const peer = row.peers?.[side] ?? plan.sides[side].peer;
            const { callers, callsEach } = row;
            const job = { peer, callers, callsEach, firstCall: round * callsEach };
            const before = row.before?.[side];
            if (before !== undefined)
                await clients.run({ ...job, operation: before });
            await plan.settle();
            const slot = await clients.run({ ...job, operation: row.operations[side] });
            if (round > 0)
                slots[side].push(slot);
        }
    }
    return { row, slots };
}
