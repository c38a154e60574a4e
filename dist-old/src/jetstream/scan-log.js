"use strict";
Object.defineProperty(exports, "__esModule", { value: true });
exports.logForward = logForward;
exports.logBackward = logBackward;
exports.toPart = toPart;
const patterns_1 = require("../store/patterns");
const values_1 = require("../store/values");
const api_1 = require("./api");
const commit_codec_1 = require("./commit-codec");
const read_by_correlation_1 = require("./read-by-correlation");
const store_context_1 = require("./store-context");
/**
 * The commits that lie wholly or with their end in the range, in pages bounded in bytes; the next page is fetched while
 * the current one is in use. Complete or an error, like `scanSubject`. A commit that has not come to its end is left out.
 */
async function* logForward(context, range, call, fetchBytes = () => context.limits.fetchBytesMax) {
    const { after, through } = range;
    const source = messageSource(context, range.patterns, call);
    const fetch = (from) => source.fetch(from, through, fetchBytes());
    const assembler = new commit_codec_1.CommitAssembler(2 * context.limits.appendBytesMax);
    let page = await fetch(after + 1n);
    const start = startOfFirst(source, page);
    if (start !== undefined && start <= after)
        page = await fetch(start);
    for (let covered = after;;) {
        const next = page.covered < through ? fetch(page.covered + 1n) : undefined;
        // A failure while nobody waits must not end the process; it is met at the next turn.
        next?.catch(() => undefined);
        const commits = [];
        try {
            for (const message of page.messages) {
                const commit = source.wants(message) ? assembler.add(source.toPart(message)) : undefined;
                if (commit !== undefined)
                    commits.push(commit);
            }
        }
        catch (error) {
            // What comes before it is good, and may be all that is wanted.
            yield { commits, covered: commits.at(-1)?.position ?? covered, last: false };
            throw error;
        }
        covered = assembler.pendingFrom === undefined ? page.covered : assembler.pendingFrom - 1n;
        yield { commits, covered, last: next === undefined };
        if (next === undefined)
            return;
        page = await next;
    }
}
/** Where the first commit of a page begins. */
function startOfFirst(source, { messages }) {
    const first = messages.find(source.wants);
    try {
        const part = first && source.toPart(first);
        return part && part.sequence - BigInt(part.part - 1);
    }
    catch {
        return undefined; // it is met again
    }
}
const firstSpan = 256n;
const spanGrowth = 4n;
/**
 * The same from the end to the beginning. JetStream reads forward only, so it reads windows of the log, each as long as
 * the one before suggests.
 */
async function* logBackward(context, range, call, spanAtFirst = firstSpan) {
    const { after, through } = range;
    const { fetchBytesMax, fetchMessagesMax } = context.limits;
    const source = messageSource(context, range.patterns, call);
    let end = through;
    let span = spanAtFirst;
    while (end > after) {
        const start = end - span > after ? end - span + 1n : after + 1n;
        const window = await readWindow(source, start, end, span > 1n ? 2 * fetchBytesMax : Infinity);
        if (window === 'too large') {
            span = span / spanGrowth || 1n;
            continue;
        }
        const { commits, error, next } = await commitsOf(context, source, window.messages, start, call);
        end = next;
        if (commits.length > 0 || error !== undefined || end <= after)
            yield { commits: commits.reverse(), covered: end + 1n, last: error === undefined && end <= after };
        if (error !== undefined)
            throw error;
        const isSparse = window.bytes < fetchBytesMax / Number(spanGrowth) &&
            window.messages.length < fetchMessagesMax / Number(spanGrowth);
        if (isSparse)
            span *= spanGrowth;
    }
}
async function readWindow(source, start, end, bytesMax) {
    const messages = [];
    let bytes = 0;
    for (let from = start; from <= end;) {
        const page = await source.fetch(from, end);
        for (const message of page.messages) {
            messages.push(message);
            bytes += message.body.length;
        }
        if (bytes > bytesMax)
            return 'too large';
        from = page.covered + 1n;
    }
    return { messages, bytes };
}
/** The commits of a window in ascending order. */
async function commitsOf(context, source, messages, start, call) {
    const commitBytesMax = 2 * context.limits.appendBytesMax;
    let assembler = new commit_codec_1.CommitAssembler(commitBytesMax);
    let commits = [];
    let error;
    let cut; // the last of those at the start whose commit begins before the window
    let next = start - 1n;
    for (const message of messages) {
        if (!source.wants(message))
            continue;
        try {
            const part = source.toPart(message);
            const isCut = commits.length === 0 && assembler.pendingFrom === undefined && part.part > 1;
            if (isCut && error === undefined) {
                cut = part;
                continue;
            }
            const commit = assembler.add(part);
            if (commit !== undefined)
                commits.push(commit);
        }
        catch (caught) {
            [error, commits, assembler] = [caught, [], new commit_codec_1.CommitAssembler(commitBytesMax)];
        }
    }
    if (cut !== undefined && error === undefined) {
        next = cut.sequence - BigInt(cut.part);
        const whole = cut.part === cut.parts ? await (0, read_by_correlation_1.commitAt)(context, cut.sequence, call) : undefined;
        if (whole !== undefined)
            commits.unshift(whole);
    }
    return { commits, error, next };
}
/** The server looks for one subject only: with several patterns for the narrowest that covers all of them. */
function messageSource(context, patterns, call) {
    const { prefix } = context;
    const subject = `${prefix}.${(0, patterns_1.coverOf)(patterns)}`;
    const matches = patterns.length > 1 ? (0, patterns_1.patternMatcher)(patterns) : () => true;
    const nameOf = (message) => message.subject.slice(prefix.length + 1);
    return {
        fetch: (from, through, bytesMax = context.limits.fetchBytesMax) => fetchPage(context, subject, { from, through, bytesMax }, call),
        wants: (message) => matches(nameOf(message)),
        toPart: (message) => toPart(nameOf(message), message),
    };
}
/** A message of the log as a part of a commit, whatever its subject. Throws UnreadableCommitError. */
function toPart(name, message) {
    const stream = (0, values_1.parseStreamName)(name);
    if (stream === undefined)
        throw (0, commit_codec_1.unreadable)(name, message.sequence, 'its subject is not the name of a stream');
    return (0, commit_codec_1.readPart)(stream, message);
}
async function fetchPage(context, subject, page, call) {
    const { pool, log, limits } = context;
    const { from, through, bytesMax } = page;
    // A short range needs no large batch, whose surplus would be read from disk for nothing.
    const batch = Math.min(Number(through - from + 1n), limits.fetchMessagesMax);
    return (0, store_context_1.patiently)(context, subject, call, async (options) => {
        const lookup = { seq: Number(from), next_by_subj: subject, batch, max_bytes: bytesMax };
        const { messages, more } = await (0, api_1.directGetBatch)(pool.read(), log, lookup, options);
        const last = messages.at(-1)?.sequence;
        if (last !== undefined && last >= through)
            return { messages: messages.filter(({ sequence }) => sequence <= through), covered: through };
        if (last !== undefined && (more || log.replicas > 1))
            return { messages, covered: last };
        // There is no more, says the replica that answered: one that lags behind cannot know.
        const next = log.replicas === 1
            ? undefined
            : await (0, api_1.leaderGet)(pool.read(), log, { seq: Number(from), next_by_subj: subject }, options);
        const isKnown = next === undefined || next.sequence > through;
        return isKnown ? { messages, covered: through } : undefined;
    });
}
