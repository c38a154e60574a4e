"use strict";
Object.defineProperty(exports, "__esModule", { value: true });
exports.jsonEvent = jsonEvent;
exports.parseJson = parseJson;
const contentType = 'application/json';
/** An event with a value as JSON text. Throws TypeError for a value that JSON cannot express, such as a bigint. */
function jsonEvent(type, value, extra) {
    const data = JSON.stringify(value);
    if (data === undefined)
        throw new TypeError(`no JSON for a value of type ${typeof value}`);
    return { ...extra, type, data, contentType };
}
/**
 * The value of an event whose data is JSON, as text or as bytes of UTF-8. What it is like is for the caller to check.
 * Throws SyntaxError if the data is not JSON or there is none.
 */
function parseJson({ data = '' }) {
    return JSON.parse(typeof data === 'string' ? data : Buffer.from(data).toString());
}
