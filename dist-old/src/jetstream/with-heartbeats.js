"use strict";
Object.defineProperty(exports, "__esModule", { value: true });
exports.withHeartbeats = withHeartbeats;
const values_1 = require("../store/values");
/** The same updates with heartbeats among them, also while nothing comes; `end` ends an update that is waited for. */
async function* withHeartbeats(updates, intervalMs, head, end) {
    let at;
    let dueMs = Date.now() + intervalMs;
    try {
        for (;;) {
            const next = watched(updates.next());
            while (!(await next.settledBefore(dueMs)) || Date.now() >= dueMs) {
                if (at !== undefined)
                    yield { kind: 'heartbeat', position: at, head: (0, values_1.position)(head()) };
                dueMs = Date.now() + intervalMs;
            }
            const { done, value } = await next.promise;
            if (done === true)
                return;
            at = value.position;
            yield value;
        }
    }
    finally {
        end();
        await updates.return();
    }
}
/** Can be waited for again and again: each `Promise.race` would leave something behind until the promise settles. */
function watched(promise) {
    let settled = false;
    let wake = () => undefined;
    const settle = () => {
        settled = true;
        wake();
    };
    promise.then(settle, settle);
    return {
        promise,
        settledBefore: (timeMs) => new Promise((resolve) => {
            const finish = () => {
                clearTimeout(timer);
                resolve(settled);
            };
            const timer = setTimeout(finish, Math.max(0, timeMs - Date.now()));
            wake = finish;
            if (settled)
                finish();
        }),
    };
}
