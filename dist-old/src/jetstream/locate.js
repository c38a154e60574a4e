"use strict";
Object.defineProperty(exports, "__esModule", { value: true });
exports.skipVersionsMax = void 0;
exports.partAtOrAfter = partAtOrAfter;
exports.locate = locate;
const api_1 = require("./api");
const commit_codec_1 = require("./commit-codec");
const store_context_1 = require("./store-context");
/** So many versions are read and thrown away rather than searched for: they cost less than one more question. */
exports.skipVersionsMax = 64n;
const interpolationsMax = 8;
const probesMax = 80;
/** The first message of the stream at or after a sequence, which must exist at the leader. */
async function partAtOrAfter(context, stream, sequence, call) {
    const lookup = { seq: Number(sequence), next_by_subj: (0, store_context_1.subjectOf)(context, stream) };
    const options = (0, store_context_1.within)(call, context.limits.requestTimeoutMs);
    const link = context.pool.read();
    // A replica that lags behind may not have it yet; the leader has.
    const message = (await (0, api_1.directGet)(link, context.log, lookup, options)) ??
        (await (0, api_1.leaderGet)(link, context.log, lookup, options));
    return message && (0, commit_codec_1.readPart)(stream, message);
}
/**
 * A sequence to begin reading at, so that the commit with `version` is met after at most `skipVersionsMax` others.
 * Versions grow with sequences, so it is an interpolation search, with bisection where the stream is uneven.
 */
async function locate(context, stream, version, head, call) {
    // The wanted commit begins at a sequence in [low, high]; what lies before low ends with lowVersion.
    let low = 1n;
    let lowVersion = 0n;
    let high = head.sequence;
    let highVersion = head.lastVersion;
    if (version >= head.firstVersion)
        return startOfCommit(head);
    for (let probe = 0; probe < probesMax; probe++) {
        if (version - lowVersion <= exports.skipVersionsMax)
            return low;
        const guess = guessSequence(probe, version, { low, lowVersion, high, highVersion });
        const found = await partAtOrAfter(context, stream, guess, call);
        if (found === undefined)
            throw (0, commit_codec_1.unreadable)(stream, head.sequence, 'earlier commits of the stream are gone');
        if (found.lastVersion < version) {
            const end = await endOfCommit(context, stream, found, call);
            if (end.lastVersion >= version)
                return startOfCommit(found);
            low = end.sequence + 1n;
            lowVersion = end.lastVersion;
        }
        else if (found.firstVersion <= version) {
            return startOfCommit(found);
        }
        else {
            // Nothing of the stream lies in [guess, found), so what is wanted lies before the guess.
            high = found.previous ?? guess - 1n;
            highVersion = found.firstVersion - 1n;
            if (high < low)
                throw (0, commit_codec_1.unreadable)(stream, found.sequence, `version ${version.toString()} is missing before it`);
        }
    }
    return low;
}
function startOfCommit(part) {
    return part.sequence - BigInt(part.part - 1);
}
async function endOfCommit(context, stream, part, call) {
    if (part.part === part.parts)
        return part;
    const end = await partAtOrAfter(context, stream, part.sequence + BigInt(part.parts - part.part), call);
    if (end?.commitId === part.commitId)
        return end;
    throw (0, commit_codec_1.unreadable)(stream, part.sequence, 'the parts of its commit do not fit together');
}
function guessSequence(probe, version, { low, lowVersion, high, highVersion }) {
    if (probe >= interpolationsMax && probe % 2 === 0)
        return (low + high) / 2n;
    const versions = highVersion - lowVersion;
    const guess = low + ((high - low) * (version - lowVersion - 1n)) / (versions > 0n ? versions : 1n);
    // A little early: to come out before the wanted commit and read on costs nothing more.
    const early = guess - (high - low) / (4n * (versions / exports.skipVersionsMax + 1n));
    return early < low ? low : early;
}
