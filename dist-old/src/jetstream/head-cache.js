"use strict";
Object.defineProperty(exports, "__esModule", { value: true });
exports.createHeadCache = createHeadCache;
function createHeadCache(entriesMax) {
    // A Map keeps the order of insertion: the first entry is the least recently used.
    const entries = new Map();
    return {
        get: (stream) => entries.get(stream),
        set(stream, head) {
            entries.delete(stream);
            entries.set(stream, head);
            if (entries.size <= entriesMax)
                return;
            const [oldest] = entries.keys();
            entries.delete(oldest);
        },
        delete(stream) {
            entries.delete(stream);
        },
    };
}
