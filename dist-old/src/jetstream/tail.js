"use strict";
Object.defineProperty(exports, "__esModule", { value: true });
exports.createTail = createTail;
const promises_1 = require("node:timers/promises");
const errors_1 = require("../store/errors");
const errors_2 = require("./errors");
const follow_log_1 = require("./follow-log");
const newest_commits_1 = require("./newest-commits");
/** So long it goes on when nobody subscribes any more: somebody may come again. */
const lingerMs = 5_000;
function createTail(context) {
    const { limits } = context;
    const newest = (0, newest_commits_1.createNewestCommits)(limits);
    let users = 0;
    let session;
    let linger;
    function start() {
        const stop = new AbortController();
        let onStarted = () => undefined;
        const running = new Promise((resolve) => (onStarted = resolve));
        const ended = (0, follow_log_1.followLog)(context, newest, stop.signal, onStarted);
        ended.catch(() => (session = undefined));
        return { stop, started: Promise.race([running, ended]) };
    }
    function release() {
        users--;
        if (users > 0)
            return;
        linger = setTimeout(end, lingerMs).unref();
    }
    function end() {
        session?.stop.abort();
        session = undefined;
    }
    return {
        get head() {
            return newest.ring.last;
        },
        async follow(call) {
            users++;
            clearTimeout(linger);
            session ??= start();
            let released = false;
            const releaseOnce = () => {
                if (!released)
                    release();
                released = true;
            };
            try {
                await orTimeout(session.started, call, limits.readProgressTimeoutMs);
            }
            catch (error) {
                releaseOnce();
                throw error;
            }
            return releaseOnce;
        },
        covers: (position) => position >= newest.ring.after,
        take: (position, interest, bytesMax) => take(newest.ring, position, interest, bytesMax),
        next: (interest, signal) => newest.waiters.wait(interest, signal),
        close() {
            clearTimeout(linger);
            end();
            newest.waiters.failAll(new errors_1.StoreUnavailableError('the gateway is stopping'));
        },
    };
}
function take(ring, position, interest, bytesMax) {
    const commits = [];
    let bytes = 0;
    let covered = position;
    for (const entry of ring.beyond(position)) {
        if (bytes > bytesMax)
            return { commits, covered, error: undefined };
        if (interest.matches(entry.stream)) {
            const { content } = entry;
            if (content instanceof errors_1.UnreadableCommitError)
                return { commits, covered, error: content };
            commits.push(content);
            bytes += entry.bytes;
        }
        covered = entry.position;
    }
    return { commits, covered: ring.last > covered ? ring.last : covered, error: undefined };
}
async function orTimeout(started, call, timeoutMs) {
    const waiting = new AbortController();
    const signal = AbortSignal.any([waiting.signal, call.signal]);
    const late = (0, promises_1.setTimeout)(Math.max(0, Math.min(timeoutMs, call.deadlineMs - Date.now())), true, { signal });
    try {
        if ((await Promise.race([started, late])) === true)
            throw new errors_1.StoreUnavailableError('the newest commits cannot be had');
    }
    catch (error) {
        throw call.signal.aborted ? call.signal.reason : (0, errors_2.toStoreError)(error);
    }
    finally {
        waiting.abort();
        late.catch(() => undefined);
    }
}
