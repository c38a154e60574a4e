"use strict";
Object.defineProperty(exports, "__esModule", { value: true });
exports.decodeRequest = decodeRequest;
const node_buffer_1 = require("node:buffer");
const wire_1 = require("@bufbuild/protobuf/wire");
const errors_1 = require("../store/errors");
const framing_1 = require("./framing");
/**
 * Decodes a request to the RPC that gRPC calls `path`. Bytes that are not such a message, or text that is not UTF-8,
 * are an InvalidRequestError.
 */
function decodeRequest(type, bytes, path) {
    try {
        (0, framing_1.checkFraming)(new wire_1.BinaryReader(bytes), path);
        return type.decode(new wire_1.BinaryReader(bytes, strictUtf8));
    }
    catch (error) {
        // Whatever a decoder throws comes from the bytes: it has no other input.
        const reason = error instanceof Error ? error.message : String(error);
        const description = `is not a valid protobuf message: ${reason}`;
        throw new errors_1.InvalidRequestError([{ field: 'request', description }]);
    }
}
const replacementCharacter = '\ufffd';
/** Text that shows no replacement character was fine; only then does the exact check cost anything. */
function strictUtf8(bytes) {
    const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('utf8');
    if (text.includes(replacementCharacter) && !(0, node_buffer_1.isUtf8)(bytes))
        throw new RangeError('text that is not UTF-8');
    return text;
}
