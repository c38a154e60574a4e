"use strict";
Object.defineProperty(exports, "__esModule", { value: true });
exports.parseReadAll = parseReadAll;
exports.parseSubscribe = parseSubscribe;
const field_checks_1 = require("./field-checks");
const values_1 = require("./values");
/** Throws InvalidRequestError. */
function parseReadAll(raw, limits) {
    const findings = new field_checks_1.Findings();
    const filter = eventFilter(raw, limits, findings);
    const direction = (0, field_checks_1.directionOf)(raw.direction, findings);
    const afterPosition = raw.afterPosition === undefined
        ? undefined
        : (0, field_checks_1.positionNumber)(raw.afterPosition, 'after_position', findings);
    const toPosition = (0, field_checks_1.positionNumber)(raw.toPosition, 'to_position', findings);
    if (afterPosition !== undefined && toPosition !== 0n) {
        const [low, high] = direction === 'forward' ? [afterPosition, toPosition] : [toPosition, afterPosition];
        if (high < low)
            findings.add('to_position', 'lies before after_position in the direction of the read');
    }
    const { fromTime, toTime } = (0, field_checks_1.timeRange)(raw, findings);
    const count = (0, field_checks_1.maxCount)(raw.maxCount, findings);
    findings.throwIfAny();
    return { filter, direction, afterPosition, toPosition, maxCount: count, fromTime, toTime };
}
/** Throws InvalidRequestError. */
function parseSubscribe(raw, limits) {
    const findings = new field_checks_1.Findings();
    const filter = eventFilter(raw, limits, findings);
    if (raw.stream !== '' && raw.patterns.length > 0)
        findings.add('patterns', 'cannot go with stream');
    const start = subscriptionStart(raw, findings);
    const range = { minMs: limits.heartbeatIntervalMinMs, maxMs: limits.heartbeatIntervalMaxMs };
    const heartbeatMs = raw.heartbeatInterval && (0, field_checks_1.duration)(raw.heartbeatInterval, 'heartbeat_interval', range, findings);
    findings.throwIfAny();
    return {
        filter: raw.stream === '' ? filter : { ...filter, patterns: [raw.stream] },
        start,
        startMustExist: raw.startMustExist,
        heartbeatMs,
    };
}
function eventFilter(raw, limits, findings) {
    const prefixes = (0, field_checks_1.eventTypeFilter)(raw.eventTypePrefixes, limits, findings, 'event_type_prefixes');
    return {
        patterns: (0, field_checks_1.streamPatterns)(raw.patterns, limits, findings),
        eventTypes: (0, field_checks_1.eventTypeFilter)(raw.eventTypes, limits, findings),
        eventTypePrefixes: [...prefixes],
    };
}
function subscriptionStart(raw, findings) {
    const starts = new Map();
    const stream = raw.stream === '' ? undefined : (0, field_checks_1.streamName)(raw.stream, findings);
    if (raw.afterPosition !== undefined) {
        const after = (0, field_checks_1.positionNumber)(raw.afterPosition, 'after_position', findings);
        starts.set('after_position', { kind: 'position', after });
    }
    if (raw.afterVersion !== undefined) {
        const after = (0, field_checks_1.versionNumber)(raw.afterVersion, 'after_version', findings);
        if (stream === undefined)
            findings.add('after_version', 'needs stream');
        else
            starts.set('after_version', { kind: 'version', stream, after });
    }
    if (raw.fromTime !== undefined) {
        const from = (0, field_checks_1.timestamp)(raw.fromTime, 'from_time', findings);
        if (from !== undefined)
            starts.set('from_time', { kind: 'time', from });
    }
    if (raw.fromNow)
        starts.set('from_now', { kind: 'now' });
    const [first, ...others] = starts.keys();
    for (const other of others)
        findings.add(other, `cannot go with ${String(first)}`);
    const [start = { kind: 'position', after: (0, values_1.position)(0n) }] = starts.values();
    return start;
}
