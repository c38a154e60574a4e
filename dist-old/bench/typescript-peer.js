"use strict";
Object.defineProperty(exports, "__esModule", { value: true });
exports.typescriptPeer = typescriptPeer;
const client_1 = require("../src/client/client");
/** The gateway through the TypeScript client that comes with Sluice. */
function typescriptPeer(address) {
    const client = (0, client_1.connect)(address);
    return {
        async append(stream, events, version) {
            const newEvents = events.map(({ payload, ...event }) => ({ ...event, data: payload?.value }));
            await client.append(stream, newEvents, { expectedVersion: version });
        },
        read(stream, range) {
            if (range === 'all')
                return count(client.readStream(stream));
            if ('from' in range)
                return count(client.readStream(stream, { fromVersion: range.from }));
            return count(client.readStream(stream, { direction: 'backward', maxCount: range.last }));
        },
        version: async (stream) => Number((await client.getVersion(stream)).version),
        correlation: (id) => count(client.readByCorrelation(id)),
        catchUp: () => Promise.reject(new Error('is measured through the generated client')),
        follow: () => Promise.reject(new Error('is measured through the generated client')),
    };
}
async function count(events) {
    let found = 0;
    for await (const event of events)
        found += event === undefined ? 0 : 1;
    return found;
}
