"use strict";
Object.defineProperty(exports, "__esModule", { value: true });
exports.directions = void 0;
exports.toPageHint = toPageHint;
exports.eventRead = eventRead;
const event_store_service_1 = require("../../generated/sluice/v1/event_store_service");
const errors_1 = require("./errors");
const event_1 = require("./event");
const numbers_1 = require("./numbers");
exports.directions = { forward: event_store_service_1.Direction.FORWARD, backward: event_store_service_1.Direction.BACKWARD };
function toPageHint(page = {}) {
    const { eventsMax = 0, bytesMax = 0 } = page;
    return { eventsMax: (0, numbers_1.toUint32)(eventsMax, 'page.eventsMax'), bytesMax: (0, numbers_1.toUint32)(bytesMax, 'page.bytesMax') };
}
/** `open` begins a call. Events that are not wanted are passed over, though they came. */
function eventRead(open, toHead, signal, isWanted = () => true) {
    let head;
    return {
        get head() {
            if (head === undefined)
                throw new Error('the head of a read is known when its first event is there');
            return head;
        },
        async *[Symbol.asyncIterator]() {
            let begun = false;
            let count = 0;
            let end;
            for await (const message of open()) {
                if (message.header !== undefined) {
                    head = toHead(message.header);
                    begun = true;
                }
                if (!begun)
                    throw incomplete('it has no header');
                for (const event of message.events) {
                    signal?.throwIfAborted();
                    if (isWanted(event))
                        yield (0, event_1.toRecordedEvent)(event);
                }
                count += message.events.length;
                end = message.end;
            }
            if (end === undefined)
                throw incomplete(`it ended after ${count} events without saying so`);
            if (end.eventCount !== BigInt(count)) {
                throw incomplete(`${count} events came, ${end.eventCount.toString()} were announced`);
            }
        },
    };
}
function incomplete(what) {
    return new errors_1.IncompleteReadError(`the read is not complete: ${what}`, { status: 0 });
}
