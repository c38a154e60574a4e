"use strict";
Object.defineProperty(exports, "__esModule", { value: true });
exports.parseAppend = parseAppend;
exports.parseReadStream = parseReadStream;
exports.parseGetVersion = parseGetVersion;
exports.parseReadByCorrelation = parseReadByCorrelation;
exports.parseListStreams = parseListStreams;
exports.parsePageHint = parsePageHint;
const field_checks_1 = require("./field-checks");
const new_event_1 = require("./new-event");
const values_1 = require("./values");
/** Throws InvalidRequestError. What is left out is filled in: event ids, correlation ids, causation ids. */
function parseAppend(raw, limits) {
    const findings = new field_checks_1.Findings();
    const stream = (0, field_checks_1.streamName)(raw.stream, findings);
    const expectedVersion = raw.expectedVersion === undefined
        ? undefined
        : (0, field_checks_1.versionNumber)(raw.expectedVersion, 'expected_version', findings);
    const commitId = commitIdOf(raw.commitId, findings);
    const events = (0, new_event_1.newEvents)(raw.stream, raw.events, limits, findings);
    findings.throwIfAny();
    return { stream, events, expectedVersion, commitId, withCommitTime: raw.withCommitTime };
}
function commitIdOf(text, findings) {
    if (text === '')
        return undefined;
    const commitId = (0, values_1.parseCommitId)(text);
    if (commitId === undefined)
        findings.add('commit_id', `is not a UUID: ${(0, field_checks_1.shown)(text)}`);
    return commitId;
}
// Numbers of sluice.v1.Consistency; 0 stands for the first.
const consistencies = ['leader', 'leader', 'anyReplica'];
/** Throws InvalidRequestError. */
function parseReadStream(raw, limits) {
    const findings = new field_checks_1.Findings();
    const stream = (0, field_checks_1.streamName)(raw.stream, findings);
    const direction = (0, field_checks_1.directionOf)(raw.direction, findings);
    const consistency = consistencies[raw.consistency];
    if (consistency === undefined)
        findings.add('consistency', `is unknown: ${raw.consistency}`);
    const fromVersion = (0, field_checks_1.versionNumber)(raw.fromVersion, 'from_version', findings);
    const toVersion = (0, field_checks_1.versionNumber)(raw.toVersion, 'to_version', findings);
    const [first, last] = direction === 'backward' ? [toVersion, fromVersion] : [fromVersion, toVersion];
    if (first !== 0n && last !== 0n && last < first) {
        const side = direction === 'backward' ? 'above' : 'below';
        findings.add('to_version', `is ${toVersion.toString()}, ${side} from_version ${fromVersion.toString()}`);
    }
    const { fromTime, toTime } = (0, field_checks_1.timeRange)(raw, findings);
    const eventTypes = (0, field_checks_1.eventTypeFilter)(raw.eventTypes, limits, findings);
    const count = (0, field_checks_1.maxCount)(raw.maxCount, findings);
    findings.throwIfAny();
    return {
        stream,
        direction,
        fromVersion,
        toVersion,
        maxCount: count,
        fromTime,
        toTime,
        eventTypes,
        consistency: consistency ?? 'leader',
    };
}
/** Throws InvalidRequestError. */
function parseGetVersion(raw) {
    const findings = new field_checks_1.Findings();
    const stream = (0, field_checks_1.streamName)(raw.stream, findings);
    const asOf = (0, field_checks_1.timestamp)(raw.asOf, 'as_of', findings);
    findings.throwIfAny();
    return { stream, asOf };
}
/** Throws InvalidRequestError. */
function parseReadByCorrelation(raw, limits) {
    const { correlationId } = raw;
    const findings = new field_checks_1.Findings();
    if (correlationId === '')
        findings.add('correlation_id', 'is required');
    else
        (0, field_checks_1.checkId)(correlationId, 'correlation_id', limits, findings);
    const eventTypes = (0, field_checks_1.eventTypeFilter)(raw.eventTypes, limits, findings);
    const count = (0, field_checks_1.maxCount)(raw.maxCount, findings);
    findings.throwIfAny();
    return { correlationId, eventTypes, maxCount: count };
}
/** Throws InvalidRequestError. */
function parseListStreams(raw) {
    const { after } = raw;
    const findings = new field_checks_1.Findings();
    const pattern = raw.pattern === '' ? '>' : raw.pattern;
    (0, field_checks_1.streamPattern)(pattern, 'pattern', findings);
    if (after !== '' && (0, values_1.parseStreamName)(after) === undefined) {
        findings.add('after', `is not a stream name: ${(0, field_checks_1.shown)(after)}`);
    }
    const count = (0, field_checks_1.maxCount)(raw.maxCount, findings);
    findings.throwIfAny();
    return { pattern, after, maxCount: count };
}
/** A hint cannot be wrong: 0 is no wish, and what is beyond the limit counts as the limit. */
function parsePageHint(raw, { pageBytesMax }) {
    return {
        eventsMax: raw?.eventsMax || Infinity,
        bytesMax: Math.min(raw?.bytesMax || pageBytesMax, pageBytesMax),
    };
}
