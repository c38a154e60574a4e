"use strict";
Object.defineProperty(exports, "__esModule", { value: true });
exports.deliver = deliver;
const node_perf_hooks_1 = require("node:perf_hooks");
const promises_1 = require("node:timers/promises");
const events_1 = require("./events");
const job_1 = require("./job");
/** Appends go round these streams, since one stream takes one append at a time. */
const streamCount = 64;
const timeoutMs = 120_000;
/**
 * Appends at a rate, whether the answers come or not, and notes for each subscriber how long after it was sent an event
 * came. Streams are new in every slot.
 */
async function deliver(peer, { streams, rate, subscribers }, { appends, firstCall }, histogram) {
    const sentMs = new Map();
    let delivered = 0;
    const onEvent = (id) => {
        const took = node_perf_hooks_1.performance.now() - (sentMs.get(id) ?? NaN);
        histogram.recordValue(Math.max(1, Math.round(took * 1_000)));
        delivered++;
    };
    const name = (index) => (0, job_1.streamName)(streams, firstCall, index % streamCount);
    const stops = await Promise.all(Array.from({ length: subscribers }, () => peer.follow(`${streams}.*`, onEvent)));
    const last = Array(streamCount).fill(Promise.resolve());
    const startedMs = node_perf_hooks_1.performance.now();
    for (let sent = 0; sent < appends;) {
        const due = Math.min(appends, Math.ceil(((node_perf_hooks_1.performance.now() - startedMs) * rate) / 1_000));
        for (; sent < due; sent++) {
            const index = sent;
            const [event] = (0, events_1.newEvents)(1);
            if (event === undefined)
                throw new Error('no event was made');
            sentMs.set(event.id, node_perf_hooks_1.performance.now());
            const before = last[index % streamCount];
            last[index % streamCount] = Promise.resolve(before).then(() => peer.append(name(index), [event], Math.floor(index / streamCount)));
        }
        await (0, promises_1.setTimeout)(1);
    }
    await Promise.all(last);
    const giveUpMs = node_perf_hooks_1.performance.now() + timeoutMs;
    while (delivered < appends * subscribers) {
        if (node_perf_hooks_1.performance.now() > giveUpMs)
            throw new Error(`${delivered} of ${appends * subscribers} came`);
        await (0, promises_1.setTimeout)(5);
    }
    for (const stop of stops)
        stop();
}
