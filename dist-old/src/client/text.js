"use strict";
Object.defineProperty(exports, "__esModule", { value: true });
exports.writer = writer;
const wire_1 = require("@bufbuild/protobuf/wire");
/**
 * For the `encode` of generated messages, which alone would alter text that UTF-8 cannot express without a word: this one
 * throws a TypeError.
 */
function writer() {
    return new wire_1.BinaryWriter(toUtf8);
}
const replacementCharacter = '\ufffd';
function toUtf8(text) {
    const bytes = Buffer.from(text);
    // Only what shows the character that stands in for the impossible needs the slower look.
    if (bytes.includes(replacementCharacter) && /\p{Surrogate}/u.test(text)) {
        throw new TypeError(`text with half of a surrogate pair: ${JSON.stringify(text.slice(0, 60))}`);
    }
    return bytes;
}
