"use strict";
Object.defineProperty(exports, "__esModule", { value: true });
exports.createWaiters = createWaiters;
function createWaiters() {
    const byStream = new Map();
    const others = new Set();
    function add(waiter) {
        const { stream } = waiter.interest;
        const set = stream === undefined ? others : (byStream.get(stream) ?? new Set());
        set.add(waiter);
        if (stream !== undefined)
            byStream.set(stream, set);
    }
    function remove(waiter) {
        const { stream } = waiter.interest;
        if (stream === undefined) {
            others.delete(waiter);
            return;
        }
        const set = byStream.get(stream);
        set?.delete(waiter);
        if (set?.size === 0)
            byStream.delete(stream);
    }
    const all = () => [...others, ...[...byStream.values()].flatMap((set) => [...set])];
    return {
        wait: (interest, signal) => new Promise((resolve, reject) => {
            const settled = () => {
                remove(waiter);
                signal.removeEventListener('abort', onAbort);
            };
            const waiter = {
                interest,
                resolve(position) {
                    settled();
                    resolve(position);
                },
                reject(error) {
                    settled();
                    reject(error);
                },
            };
            const onAbort = () => {
                waiter.resolve(undefined);
            };
            add(waiter);
            signal.addEventListener('abort', onAbort);
            if (signal.aborted)
                onAbort();
        }),
        wake(stream, before) {
            for (const waiter of byStream.get(stream) ?? [])
                waiter.resolve(before);
            for (const waiter of others)
                if (waiter.interest.matches(stream))
                    waiter.resolve(before);
        },
        wakeAll(position) {
            for (const waiter of all())
                waiter.resolve(position);
        },
        failAll(error) {
            for (const waiter of all())
                waiter.reject(error);
        },
    };
}
