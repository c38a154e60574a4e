"use strict";
Object.defineProperty(exports, "__esModule", { value: true });
exports.append = append;
const promises_1 = require("node:timers/promises");
const errors_1 = require("../store/errors");
const values_1 = require("../store/values");
const append_job_1 = require("./append-job");
const commit_codec_1 = require("./commit-codec");
const errors_2 = require("./errors");
const find_commit_1 = require("./find-commit");
const head_1 = require("./head");
const publish_1 = require("./publish");
const read_by_correlation_1 = require("./read-by-correlation");
const store_context_1 = require("./store-context");
const attemptTimeoutMs = 2_000;
const retryPauseMs = 20;
/**
 * Stores the events as one commit, or nothing. Appends to one stream take turns. Not an async function, which would keep
 * the events, large beside their encoded form, until the end.
 */
function append(appender, command, call) {
    const deadlineMs = Math.min(call.deadlineMs, Date.now() + appender.limits.appendTimeoutMs);
    const bounded = { ...call, deadlineMs };
    return new Promise((resolve) => {
        resolve(command.events.length === 0
            ? checkOnly(appender, command, bounded)
            : store(appender, (0, append_job_1.prepare)(appender, command), bounded, command.withCommitTime === true));
    });
}
async function store(appender, job, call, withCommitTime) {
    const { deadlineMs } = call;
    const result = await appender.queues.run(job.stream, job.bytes, call, () => 
    // Once sent, an append runs to its end even if the caller has gone: the next one needs what it finds out.
    untilDecided(appender, job, { signal: new AbortController().signal, deadlineMs }));
    if (!withCommitTime || result.commitTime !== undefined)
        return result;
    const { timeNanos } = await (0, read_by_correlation_1.messageAt)(appender, result.position, call).catch((cause) => {
        // What fails here by itself says "nothing was stored", which is not so.
        throw new errors_1.OutcomeUnknownError(job.stream, job.commitId, { cause });
    });
    return { ...result, commitTime: (0, values_1.unixNanos)(timeNanos) };
}
/** Without events only the check runs. */
async function checkOnly(appender, command, call) {
    const head = (0, head_1.toHead)(await (0, head_1.lastPart)(appender, command.stream, 'leader', call));
    checkVersion(command.stream, command.expectedVersion, head.version);
    return { ...head, firstVersion: (0, values_1.version)(0n), replayed: false, commitId: undefined };
}
/** Throws VersionConflictError. */
function checkVersion(stream, expected, actual) {
    if (expected === undefined || expected === actual)
        return;
    throw new errors_1.VersionConflictError(stream, (0, values_1.version)(expected), (0, values_1.version)(actual));
}
/**
 * Publishes on top of the head that is known, and where that was wrong or the answer is lost, finds out and
 * decides: stored, stored by an earlier call, conflict, or another attempt.
 */
async function untilDecided(appender, job, call) {
    const { heads, pool } = appender;
    const cached = heads.get(job.stream);
    let known = job.expected === undefined || job.expected === cached?.version ? cached : undefined;
    let tried;
    let doubt;
    while (Date.now() < call.deadlineMs) {
        if (known === undefined) {
            const looked = await whenReachable(doubt, () => lookAgain(appender, job, doubt, call));
            if (looked === 'unreachable')
                continue;
            if ('replayed' in looked)
                return looked;
            known = looked;
            if (known.sequence !== doubt?.base.sequence)
                doubt = undefined;
            checkVersion(job.stream, job.expected, known.version);
            // Refused on this very head before: another commit is on its way.
            if (known.sequence === tried?.sequence)
                await (0, promises_1.setTimeout)(retryPauseMs);
        }
        const messages = (0, commit_codec_1.toMessages)((0, store_context_1.subjectOf)(appender, job.stream), job.encoded, { firstVersion: known.version + 1n, previous: known.sequence, commitId: job.commitId }, (0, append_job_1.bodyBytesLimit)(appender));
        const timeoutMs = Math.max(1, Math.min(attemptTimeoutMs, call.deadlineMs - Date.now()));
        const outcome = await (0, publish_1.publishAtomically)(pool.append(), messages, timeoutMs);
        if (outcome.kind === 'stored')
            return stored(appender, job, known, { parts: messages.length, sequence: outcome.sequence });
        heads.delete(job.stream);
        if (outcome.kind === 'duplicate') {
            const found = await whenReachable(doubt, () => findDuplicate(appender, job, outcome.sequence, doubt, call));
            if (found !== 'unreachable')
                return found;
        }
        if (outcome.kind === 'failed' && doubt === undefined)
            throw outcome.cause;
        if (outcome.kind === 'lost')
            doubt = { base: known, cause: outcome.cause };
        tried = known;
        known = undefined;
    }
    if (doubt !== undefined)
        throw new errors_1.OutcomeUnknownError(job.stream, job.commitId, { cause: doubt.cause });
    throw new errors_1.DeadlineExceededError('the deadline passed before the append was decided; nothing was stored');
}
function stored(appender, job, known, { parts, sequence }) {
    const firstVersion = known.version + 1n;
    const lastVersion = known.version + BigInt(job.encoded.length);
    appender.heads.set(job.stream, { version: lastVersion, sequence });
    appender.recent.add({ from: sequence - BigInt(parts - 1), to: sequence }, job.keyHashes);
    return {
        version: (0, values_1.version)(lastVersion),
        firstVersion: (0, values_1.version)(firstVersion),
        position: (0, values_1.position)(sequence),
        commitTime: undefined,
        replayed: false,
        commitId: job.commitId,
    };
}
/**
 * Finds something out about an attempt in doubt. While the store is away an error would say "nothing was stored", which
 * may be a lie: then the question is left open.
 */
async function whenReachable(doubt, findOut) {
    try {
        return await findOut();
    }
    catch (error) {
        if (doubt === undefined || !((0, errors_2.toStoreError)(error) instanceof errors_1.StoreUnavailableError))
            throw error;
        await (0, promises_1.setTimeout)(retryPauseMs);
        return 'unreachable';
    }
}
/** The head as the leader knows it now, or the result of this commit if that is stored already. */
async function lookAgain(appender, job, doubt, call) {
    const head = await (0, head_1.lastPart)(appender, job.stream, 'leader', call);
    if (head === undefined)
        return { version: 0n, sequence: 0n };
    const earlier = await findEarlier(appender, job, head, doubt, call);
    return earlier ?? { version: head.lastVersion, sequence: head.sequence };
}
/** This commit, if it is already stored: by an attempt in doubt, or by an earlier call with the same commit id. */
async function findEarlier(appender, job, head, doubt, call) {
    const { stream, expected, commitId } = job;
    const follows = async (base, replayed) => {
        if (head.lastVersion <= base)
            return undefined;
        const commit = await (0, find_commit_1.commitWithVersion)(appender, stream, base + 1n, head, call);
        const same = commit?.firstVersion === base + 1n && commit.commitId === commitId;
        return same ? toResult(job, commit, replayed) : undefined;
    };
    if (doubt !== undefined) {
        const own = await follows(doubt.base.version, false);
        if (own !== undefined)
            return own;
    }
    if (!job.repeatable)
        return undefined;
    if (expected !== undefined)
        return follows(expected, true);
    if (head.commitId !== commitId)
        return undefined;
    const commit = await (0, find_commit_1.commitWithVersion)(appender, stream, head.lastVersion, head, call);
    return commit && toResult(job, commit, true);
}
/**
 * The commit that the store remembers by its id. Throws VersionConflictError or CommitIdReuseError if it is not a
 * repetition of this one.
 */
async function findDuplicate(appender, job, sequence, doubt, call) {
    const { stream, expected, commitId } = job;
    const message = await (0, read_by_correlation_1.messageAt)(appender, sequence, call);
    const owner = message.subject.slice(appender.prefix.length + 1);
    const end = (0, commit_codec_1.positionOf)((0, commit_codec_1.readPart)(owner, message));
    const commit = owner === stream ? await (0, read_by_correlation_1.commitAt)(appender, end, call) : undefined;
    if (commit === undefined || (expected !== undefined && commit.firstVersion !== expected + 1n)) {
        // The version counts first, though a server may look at the id before it.
        const head = (0, head_1.toHead)(await (0, head_1.lastPart)(appender, stream, 'leader', call));
        checkVersion(stream, expected, head.version);
        throw new errors_1.CommitIdReuseError(commitId, owner, (0, values_1.position)(end));
    }
    return toResult(job, commit, doubt === undefined);
}
function toResult({ commitId }, commit, replayed) {
    return {
        version: (0, values_1.version)(commit.lastVersion),
        firstVersion: (0, values_1.version)(commit.firstVersion),
        position: commit.position,
        commitTime: (0, values_1.unixNanos)(commit.timeNanos),
        replayed,
        commitId,
    };
}
