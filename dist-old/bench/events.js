"use strict";
Object.defineProperty(exports, "__esModule", { value: true });
exports.newEvents = newEvents;
const node_crypto_1 = require("node:crypto");
const payloadBytes = 200;
/** JSON, as most events are. */
const payload = JSON.stringify({
    customer: 'c-4711',
    currency: 'EUR',
    lines: [{ sku: 'A-1', count: 2, price: 1990 }],
    note: '',
});
const text = payload.replace('"note":""', `"note":"${'x'.repeat(payloadBytes - payload.length)}"`);
/** Events of one business transaction, each with an id of its own. */
function newEvents(count, correlationId = (0, node_crypto_1.randomUUID)()) {
    return Array.from({ length: count }, () => {
        const id = (0, node_crypto_1.randomUUID)();
        return {
            id,
            type: 'OrderPlaced',
            payload: { $case: 'text', value: text },
            contentType: 'application/json',
            correlationId,
            causationId: id,
            tags: [],
            metadata: new Map(),
        };
    });
}
