"use strict";
Object.defineProperty(exports, "__esModule", { value: true });
exports.EntryList = exports.entryBytes = void 0;
exports.hashKey = hashKey;
exports.hashKeys = hashKeys;
exports.encodeIndexRecord = encodeIndexRecord;
exports.decodeIndexRecord = decodeIndexRecord;
exports.divide = divide;
exports.matches = matches;
exports.entriesOf = entriesOf;
const wire_1 = require("@bufbuild/protobuf/wire");
/** Of a hash, and of a position. */
exports.entryBytes = 8;
/** A 64-bit hash of a key: two independent 32-bit multiply-and-rotate hashes with a final mix (as in MurmurHash3). */
function hashKey(key) {
    let low = 0x9e3779b9;
    let high = 0x85ebca6b;
    for (let i = 0; i < key.length; i++) {
        const char = key.charCodeAt(i);
        low = Math.imul(low ^ char, 0xcc9e2d51);
        low = (low << 15) | (low >>> 17);
        high = Math.imul(high ^ char, 0x1b873593);
        high = (high << 13) | (high >>> 19);
    }
    return (BigInt(mix(high ^ key.length)) << 32n) | BigInt(mix(low ^ key.length));
}
/** The distinct hashes of keys. */
function hashKeys(keys) {
    return Array.from(new Set(keys), hashKey);
}
function mix(hash) {
    let mixed = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
    mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
    return (mixed ^ (mixed >>> 16)) >>> 0;
}
/** Collects entries for one record. */
class EntryList {
    hashBytes = Buffer.allocUnsafe(256 * exports.entryBytes);
    positionBytes = Buffer.allocUnsafe(256 * exports.entryBytes);
    length = 0;
    add(hash, position) {
        const at = this.length++ * exports.entryBytes;
        if (at === this.hashBytes.length) {
            this.hashBytes = Buffer.concat([this.hashBytes], 2 * at);
            this.positionBytes = Buffer.concat([this.positionBytes], 2 * at);
        }
        this.hashBytes.writeBigUInt64LE(hash, at);
        this.positionBytes.writeBigUInt64LE(position, at);
    }
    get hashes() {
        return this.hashBytes.subarray(0, this.length * exports.entryBytes);
    }
    get positions() {
        return this.positionBytes.subarray(0, this.length * exports.entryBytes);
    }
}
exports.EntryList = EntryList;
function encodeIndexRecord({ hashes, positions, after, through }) {
    const writer = new wire_1.BinaryWriter();
    return writer
        .uint32((1 << 3) | 2)
        .bytes(hashes)
        .uint32((2 << 3) | 2)
        .bytes(positions)
        .uint32(3 << 3)
        .uint64(after)
        .uint32(4 << 3)
        .uint64(through)
        .finish();
}
/** Throws if the bytes are not an index record. */
function decodeIndexRecord(bytes) {
    const reader = new wire_1.BinaryReader(bytes);
    let hashes = Buffer.alloc(0);
    let positions = Buffer.alloc(0);
    let after = 0n;
    let through = 0n;
    while (reader.pos < reader.len) {
        const [field, wireType] = reader.tag();
        if (field === 1)
            hashes = Buffer.from(reader.bytes());
        else if (field === 2)
            positions = Buffer.from(reader.bytes());
        else if (field === 3)
            after = BigInt(reader.uint64());
        else if (field === 4)
            through = BigInt(reader.uint64());
        else
            reader.skip(wireType);
    }
    if (hashes.length !== positions.length || hashes.length % exports.entryBytes !== 0) {
        throw new Error('an index record has not as many positions as hashes');
    }
    return { hashes, positions, after, through };
}
/** The entries in groups of at most so many. */
function* divide({ hashes, positions }, entriesMax) {
    const bytes = entriesMax * exports.entryBytes;
    for (let at = 0; at < hashes.length; at += bytes) {
        yield { hashes: hashes.subarray(at, at + bytes), positions: positions.subarray(at, at + bytes) };
    }
}
/** Gives the position of each entry with this hash. */
function* matches({ hashes, positions }, hash) {
    const low = Number(hash & 0xffffffffn);
    const high = Number(hash >> 32n);
    for (let at = 0; at < hashes.length; at += exports.entryBytes) {
        if (hashes.readUInt32LE(at) !== low || hashes.readUInt32LE(at + 4) !== high)
            continue;
        yield positions.readBigUInt64LE(at);
    }
}
/** Gives every entry. */
function* entriesOf({ hashes, positions, }) {
    for (let at = 0; at < hashes.length; at += exports.entryBytes) {
        yield [hashes.readBigUInt64LE(at), positions.readBigUInt64LE(at)];
    }
}
