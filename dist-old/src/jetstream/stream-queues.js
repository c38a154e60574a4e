"use strict";
Object.defineProperty(exports, "__esModule", { value: true });
exports.createStreamQueues = createStreamQueues;
const errors_1 = require("../store/errors");
function createStreamQueues(limits) {
    const queues = new Map();
    let appends = 0;
    let appendsBytes = 0;
    let whenIdle = [];
    function admit(queue, bytes) {
        if (queue !== undefined && queue.length >= limits.streamQueueMax) {
            throw new errors_1.OverloadedError(`${queue.length.toString()} appends wait for this stream already`);
        }
        if (appends >= limits.appendsMax) {
            throw new errors_1.OverloadedError(`${appends.toString()} appends are under way already`);
        }
        if (appends > 0 && appendsBytes + bytes > limits.appendsBytesMax) {
            throw new errors_1.OverloadedError(`${appendsBytes.toString()} bytes of appends are under way already`);
        }
    }
    return {
        async run(stream, bytes, call, append) {
            let queue = queues.get(stream);
            admit(queue, bytes);
            if (queue === undefined) {
                queue = { tail: Promise.resolve(), length: 0 };
                queues.set(stream, queue);
            }
            appends++;
            appendsBytes += bytes;
            queue.length++;
            const turn = queue.tail.then(() => {
                call.signal.throwIfAborted();
                if (Date.now() > call.deadlineMs)
                    throw new errors_1.DeadlineExceededError('the append waited too long for its turn');
                return append();
            });
            queue.tail = turn.catch(() => undefined);
            try {
                return await turn;
            }
            finally {
                appends--;
                appendsBytes -= bytes;
                if (--queue.length === 0)
                    queues.delete(stream);
                if (appends === 0) {
                    for (const resolve of whenIdle)
                        resolve();
                    whenIdle = [];
                }
            }
        },
        idle() {
            return appends === 0 ? Promise.resolve() : new Promise((resolve) => whenIdle.push(resolve));
        },
    };
}
