"use strict";
Object.defineProperty(exports, "__esModule", { value: true });
exports.checkFraming = checkFraming;
const protobuf_1 = require("@bufbuild/protobuf");
const wkt_1 = require("@bufbuild/protobuf/wkt");
const wire_1 = require("@bufbuild/protobuf/wire");
const descriptors_1 = require("../../generated/descriptors");
const shapes = new Map();
const requestShapes = new Map();
for (const described of (0, protobuf_1.createFileRegistry)((0, protobuf_1.fromBinary)(wkt_1.FileDescriptorSetSchema, Buffer.from(descriptors_1.fileDescriptorSet, 'base64')))) {
    if (described.kind !== 'service')
        continue;
    for (const { name, input } of described.methods) {
        requestShapes.set(`/${described.typeName}/${name}`, shapeOf(input));
    }
}
function shapeOf(message) {
    const known = shapes.get(message);
    if (known !== undefined)
        return known;
    const within = new Map();
    const shape = { within };
    shapes.set(message, shape); // first, because a message may hold itself
    for (const field of message.fields) {
        const held = field.message && shapeOf(field.message);
        if (field.fieldKind === 'map') {
            const value = 2;
            within.set(field.number, { within: new Map(held && [[value, held]]) });
        }
        else if (held !== undefined)
            within.set(field.number, held);
    }
    return shape;
}
/**
 * Checks that every message of a request ends where its length says, and that every tag is one. Generated code does
 * not look: it would take the rest of a message for fields of the one around it. `path` names the RPC as gRPC does.
 * Throws an Error that says where.
 */
function checkFraming(reader, path) {
    const shape = requestShapes.get(path);
    if (shape === undefined)
        throw new Error(`no RPC has the path ${path}`);
    checkMessage(reader, reader.len, shape);
}
function checkMessage(reader, end, { within }) {
    while (reader.pos < end) {
        const [field, wireType] = reader.tag();
        if (wireType !== wire_1.WireType.LengthDelimited)
            reader.skip(wireType, field);
        else {
            const length = reader.uint32();
            const held = within.get(field);
            // `skip` would make a view of every text.
            if (held === undefined)
                reader.pos += length;
            else
                checkMessage(reader, reader.pos + length, held);
        }
    }
    if (reader.pos !== end)
        throw new RangeError(`a message has to end at byte ${end}, within a field`);
}
