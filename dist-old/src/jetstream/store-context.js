"use strict";
Object.defineProperty(exports, "__esModule", { value: true });
exports.subjectOf = subjectOf;
exports.within = within;
exports.patiently = patiently;
const promises_1 = require("node:timers/promises");
const errors_1 = require("../store/errors");
function subjectOf(context, stream) {
    return `${context.prefix}.${stream}`;
}
/** Options for one question to NATS on behalf of a call: no longer than the call has left. */
function within(call, timeoutMs) {
    return { timeoutMs: Math.max(1, Math.min(timeoutMs, call.deadlineMs - Date.now())), signal: call.signal };
}
const lagRetryFirstMs = 2;
const lagRetryMaxMs = 100;
/**
 * Asks again while the answer is undefined: what the leader is known to have, a replica may not have yet. Throws
 * StoreUnavailableError after `readProgressTimeoutMs`.
 */
async function patiently({ limits }, what, call, ask) {
    const giveUpMs = Date.now() + limits.readProgressTimeoutMs;
    for (let waitMs = lagRetryFirstMs;; waitMs = Math.min(waitMs * 2, lagRetryMaxMs)) {
        const answer = await ask(within(call, limits.readProgressTimeoutMs));
        if (answer !== undefined)
            return answer;
        if (Date.now() > giveUpMs)
            throw new errors_1.StoreUnavailableError(`no replica gave the messages of ${what} in time`);
        await (0, promises_1.setTimeout)(waitMs, undefined, { signal: call.signal }).catch(() => {
            throw call.signal.reason;
        });
    }
}
