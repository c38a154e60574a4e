"use strict";
Object.defineProperty(exports, "__esModule", { value: true });
exports.uuidV7 = uuidV7;
const node_crypto_1 = require("node:crypto");
const randomPool = new Uint8Array(16 * 256);
let randomUsed = randomPool.length;
/** A UUID version 7 (RFC 9562): 48 bits of Unix milliseconds, then random bits. */
function uuidV7(nowMs = Date.now()) {
    if (randomUsed === randomPool.length) {
        (0, node_crypto_1.randomFillSync)(randomPool);
        randomUsed = 0;
    }
    const random = randomPool.subarray(randomUsed, (randomUsed += 16));
    const hex = Buffer.from(random.buffer, random.byteOffset, 16).toString('hex');
    const time = nowMs.toString(16).padStart(12, '0');
    const variant = (((random[8] ?? 0) & 0x3) | 0x8).toString(16);
    return `${time.slice(0, 8)}-${time.slice(8)}-7${hex.slice(13, 16)}-${variant}${hex.slice(17, 20)}-${hex.slice(20)}`;
}
