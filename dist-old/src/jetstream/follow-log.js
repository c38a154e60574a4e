"use strict";
Object.defineProperty(exports, "__esModule", { value: true });
exports.followLog = followLog;
const promises_1 = require("node:timers/promises");
const errors_1 = require("../store/errors");
const commit_codec_1 = require("./commit-codec");
const errors_2 = require("./errors");
const head_1 = require("./head");
const scan_log_1 = require("./scan-log");
const tail_consumer_1 = require("./tail-consumer");
const retryMs = 250;
/** So often those who wait are told how far the log has come. */
const sweepMs = 2_000;
/**
 * Keeps the newest commits up to date until `signal` is aborted: when a consumer is lost, another one takes over. Throws
 * NotPermittedError if NATS does not permit the first one.
 */
async function followLog(context, newest, signal, onStarted) {
    const { limits, logger } = context;
    const timer = setInterval(() => {
        newest.sweep();
    }, sweepMs);
    let hasStarted = false;
    let downSinceMs;
    const isUp = () => {
        hasStarted = true;
        downSinceMs = undefined;
        onStarted();
    };
    while (!signal.aborted) {
        let cause;
        await followOnce(context, newest, hasStarted, signal, isUp).catch((error) => {
            cause = (0, errors_2.toStoreError)(error);
        });
        if (cause instanceof errors_1.NotPermittedError && !hasStarted) {
            clearInterval(timer);
            throw cause;
        }
        downSinceMs ??= Date.now();
        if (Date.now() - downSinceMs > limits.readProgressTimeoutMs) {
            newest.waiters.failAll(new errors_1.StoreUnavailableError('the newest commits cannot be had', { cause }));
            logger.warn({ err: cause }, 'the newest commits cannot be had');
            downSinceMs = undefined;
        }
        await (0, promises_1.setTimeout)(retryMs, undefined, { signal }).catch(() => undefined);
    }
    clearInterval(timer);
}
/** Follows the log until the consumer is lost. */
async function followOnce(context, newest, goesOn, signal, onStarted) {
    const call = { signal, deadlineMs: Infinity };
    const { sequence: head } = await (0, head_1.logHead)(context, call);
    const { last } = newest.ring;
    if (goesOn && head < last) {
        // A server has lost what it had not written to disk: positions will be given out a second time.
        newest.waiters.failAll(new errors_1.StoreUnavailableError('the store has gone back to an earlier state'));
    }
    if (!goesOn || head < last || head - last > BigInt(context.limits.tailCommitsMax))
        newest.skipTo(head);
    const consumer = await (0, tail_consumer_1.startTailConsumer)(context, newest.ring.last, taker(context, newest), call);
    onStarted();
    const close = () => {
        consumer.close();
    };
    signal.addEventListener('abort', close, { once: true });
    if (signal.aborted)
        close();
    const reason = await consumer.lost;
    if (signal.aborted)
        return;
    signal.removeEventListener('abort', close);
    close();
    context.logger.warn({ reason }, 'the newest commits do not come any more; asking again');
}
/** Puts the messages of one consumer together to commits. */
function taker({ limits, prefix }, newest) {
    let assembler = new commit_codec_1.CommitAssembler(2 * limits.appendBytesMax);
    return (message) => {
        const stream = message.subject.slice(prefix.length + 1);
        const { sequence: position } = message;
        try {
            const commit = assembler.add((0, scan_log_1.toPart)(stream, message));
            if (commit === undefined)
                return;
            newest.push({ stream, position, content: commit, bytes: commit.record.length });
        }
        catch (error) {
            if (!(error instanceof errors_1.UnreadableCommitError))
                throw error;
            assembler = new commit_codec_1.CommitAssembler(2 * limits.appendBytesMax);
            newest.push({ stream, position, content: error, bytes: message.body.length });
        }
    };
}
