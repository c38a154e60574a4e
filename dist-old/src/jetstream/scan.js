"use strict";
Object.defineProperty(exports, "__esModule", { value: true });
exports.scanSubject = scanSubject;
exports.askPage = askPage;
exports.commitsForward = commitsForward;
exports.commitsBackward = commitsBackward;
const api_1 = require("./api");
const commit_codec_1 = require("./commit-codec");
const locate_1 = require("./locate");
const store_context_1 = require("./store-context");
/**
 * The messages of a subject from one sequence through another, which must exist, in pages bounded in bytes; the
 * next page is fetched while the current one is in use. Complete or an error: a replica that has not come so far
 * is asked again until `readProgressTimeoutMs` have passed.
 */
async function* scanSubject(context, subject, from, through, call, start = {}) {
    const { messagesMax = Infinity } = start;
    let page = await firstPage(context, subject, from, through, call, start);
    for (;;) {
        const last = page.at(-1)?.sequence ?? through;
        if (last >= through) {
            yield page.filter(({ sequence }) => sequence <= through);
            return;
        }
        const fetchNext = () => fetchPage(context, subject, last + 1n, through, call);
        const early = messagesMax === Infinity ? fetchNext() : undefined;
        // A failure while nobody waits must not end the process; it is met at the next turn.
        early?.catch(() => undefined);
        yield page;
        page = await (early ?? fetchNext());
    }
}
async function firstPage(context, subject, from, through, call, { page, messagesMax }) {
    const early = await page?.catch(() => undefined);
    if (early !== undefined && early.length > 0)
        return early;
    return fetchPage(context, subject, from, through, call, messagesMax);
}
async function fetchPage(context, subject, from, through, call, messagesMax = Infinity) {
    // A short range needs no large batch, whose surplus would be read from disk for nothing.
    const batch = Math.min(Number(through - from + 1n), messagesMax, context.limits.fetchMessagesMax);
    return (0, store_context_1.patiently)(context, subject, call, async (options) => {
        const messages = await askPage(context, subject, from, batch, options);
        return messages.length > 0 ? messages : undefined;
    });
}
/** One page of a subject, as the replica that answers knows it. */
async function askPage({ pool, log, limits }, subject, from, batch, options) {
    const lookup = { seq: Number(from), next_by_subj: subject, batch, max_bytes: limits.fetchBytesMax };
    return (await (0, api_1.directGetBatch)(pool.read(), log, lookup, options)).messages;
}
/** The commits of a stream in order. Throws UnreadableCommitError on a foreign message or a gap. */
async function* commitsForward(context, stream, range, call) {
    const { from, through } = range;
    const assembler = new commit_codec_1.CommitAssembler(2 * context.limits.appendBytesMax);
    let mayBeCut = range.midCommit === true;
    let previous;
    const take = (message) => {
        const part = (0, commit_codec_1.readPart)(stream, message);
        if (mayBeCut && part.part > 1)
            return undefined;
        mayBeCut = false;
        const commit = assembler.add(part);
        if (commit === undefined)
            return undefined;
        if (previous !== undefined && commit.firstVersion !== previous.lastVersion + 1n) {
            const missing = (previous.lastVersion + 1n).toString();
            throw (0, commit_codec_1.unreadable)(stream, commit.position, `version ${missing} is missing before it`);
        }
        return (previous = commit);
    };
    for await (const page of scanSubject(context, (0, store_context_1.subjectOf)(context, stream), from, through, call, range)) {
        const commits = [];
        try {
            for (const message of page) {
                const commit = take(message);
                if (commit !== undefined)
                    commits.push(commit);
            }
        }
        catch (error) {
            // What comes before it is good, and may be all that is wanted.
            yield commits;
            throw error;
        }
        yield commits;
    }
}
const firstWindowCommits = 16;
const windowCommits = 256;
/**
 * The commits of a stream in reverse order, from the one that ends with a part down to the first. JetStream reads
 * forward only, so it reads windows of the log that end at the last commit known to exist, each sized by how dense
 * the stream was in the window before, and the first also by how many commits are probably enough.
 */
async function* commitsBackward(context, stream, from, call, commitsMax = firstWindowCommits) {
    let end = from.sequence;
    let nextVersion = from.lastVersion;
    let gap = from.previous === undefined || from.previous === 0n ? 1n : end - from.previous;
    if (from.parts === 1) {
        // It is at hand already.
        const commit = new commit_codec_1.CommitAssembler(Infinity).add(from);
        yield [commit];
        end = commit.previous;
        nextVersion = commit.firstVersion - 1n;
    }
    let wanted = BigInt(Math.min(commitsMax, windowCommits));
    while (end > 0n) {
        const start = end > gap * wanted ? end - gap * wanted + 1n : 1n;
        const commits = await window(context, stream, start, end, call);
        const first = commits[0];
        gap = (end - start) / BigInt(commits.length) + 1n;
        wanted = BigInt(windowCommits);
        commits.reverse();
        for (const commit of commits) {
            if (commit.lastVersion !== nextVersion) {
                throw (0, commit_codec_1.unreadable)(stream, commit.position, `version ${nextVersion.toString()} is missing after it`);
            }
            nextVersion = commit.firstVersion - 1n;
        }
        yield commits;
        end = first.previous;
    }
    if (nextVersion !== 0n) {
        throw (0, commit_codec_1.unreadable)(stream, from.sequence, `version ${nextVersion.toString()} is missing before it`);
    }
}
/** The last commits that lie in [start, end], at least one, at most two pages of them. */
async function window(context, stream, start, end, call) {
    const bytesMax = 2 * context.limits.fetchBytesMax;
    let range = { from: start, through: end, midCommit: true };
    for (;;) {
        const commits = [];
        let bytes = 0;
        for await (const page of commitsForward(context, stream, range, call)) {
            commits.push(...page);
            bytes = commits.reduce((sum, { record }) => sum + record.length, 0);
            if (bytes > bytesMax)
                break;
        }
        const last = commits.at(-1);
        if (last !== undefined && last.position >= end)
            return commits;
        if (last !== undefined) {
            // Denser than thought: take the later half.
            range = { ...range, from: last.position + (end - last.position) / 2n + 1n };
            continue;
        }
        // All of it lies within the commit that ends here.
        const part = await (0, locate_1.partAtOrAfter)(context, stream, range.from, call);
        if (part === undefined || range.midCommit !== true)
            throw (0, commit_codec_1.unreadable)(stream, end, 'it is gone');
        range = { from: part.sequence - BigInt(part.part - 1), through: end };
    }
}
