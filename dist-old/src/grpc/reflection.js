"use strict";
Object.defineProperty(exports, "__esModule", { value: true });
exports.createReflect = createReflect;
const grpc_js_1 = require("@grpc/grpc-js");
const protobuf_1 = require("@bufbuild/protobuf");
const wkt_1 = require("@bufbuild/protobuf/wkt");
const wire_1 = require("@bufbuild/protobuf/wire");
const descriptors_1 = require("../../generated/descriptors");
/** `services` are the full names of all services of the server. */
function createReflect(services) {
    const byName = new Map();
    const bySymbol = new Map();
    for (const bytes of filesOf(Buffer.from(descriptors_1.fileDescriptorSet, 'base64'))) {
        const proto = (0, protobuf_1.fromBinary)(wkt_1.FileDescriptorProtoSchema, bytes);
        const file = { name: proto.name, imports: proto.dependency, bytes };
        byName.set(file.name, file);
        const add = (symbol) => bySymbol.set(symbol, file);
        for (const message of proto.messageType)
            addMessage(proto.package, message, add);
        addEnums(proto.package, proto.enumType, add);
        for (const { name, method } of proto.service) {
            add(`${proto.package}.${name}`);
            for (const { name: methodName } of method)
                add(`${proto.package}.${name}.${methodName}`);
        }
    }
    const listServices = {
        $case: 'listServicesResponse',
        value: { service: services.map((name) => ({ name })) },
    };
    return (originalRequest) => {
        const answer = () => {
            const asked = originalRequest.messageRequest;
            switch (asked?.$case) {
                case 'listServices':
                    return listServices;
                case 'fileByFilename':
                    return withImports(byName.get(asked.value), byName) ?? notFound(`file ${asked.value}`);
                case 'fileContainingSymbol':
                    return withImports(bySymbol.get(asked.value), byName) ?? notFound(`symbol ${asked.value}`);
                case 'fileContainingExtension':
                    return notFound(`extension ${asked.value.extensionNumber} of ${asked.value.containingType}`);
                case 'allExtensionNumbersOfType':
                    return bySymbol.has(asked.value)
                        ? {
                            $case: 'allExtensionNumbersResponse',
                            value: { baseTypeName: asked.value, extensionNumber: [] },
                        }
                        : notFound(`type ${asked.value}`);
                case undefined:
                    return failed(grpc_js_1.status.INVALID_ARGUMENT, 'the request asks for nothing');
            }
        };
        return { validHost: originalRequest.host, originalRequest, messageResponse: answer() };
    };
}
/** The encoded files of a FileDescriptorSet, which are its field 1. */
function* filesOf(set) {
    const reader = new wire_1.BinaryReader(set);
    while (reader.pos < reader.len) {
        reader.tag();
        yield Buffer.from(reader.bytes());
    }
}
function addMessage(scope, message, add) {
    const name = `${scope}.${message.name}`;
    add(name);
    for (const field of [...message.field, ...message.oneofDecl])
        add(`${name}.${field.name}`);
    addEnums(name, message.enumType, add);
    for (const nested of message.nestedType)
        addMessage(name, nested, add);
}
/** Values of an enum belong to the scope of the enum. */
function addEnums(scope, enums, add) {
    for (const { name, value } of enums) {
        for (const symbol of [name, ...value.map((of) => of.name)])
            add(`${scope}.${symbol}`);
    }
}
/** The file, then all that it needs, each once and after all that need it: read from the end, nothing is missing. */
function withImports(file, byName) {
    if (file === undefined)
        return undefined;
    const needed = new Set([file]);
    // A Set gives also what is added while it is walked.
    for (const { imports } of needed) {
        for (const name of imports) {
            const imported = byName.get(name);
            needed.delete(imported);
            needed.add(imported);
        }
    }
    const fileDescriptorProto = [...needed].map(({ bytes }) => bytes);
    return { $case: 'fileDescriptorResponse', value: { fileDescriptorProto } };
}
function notFound(what) {
    return failed(grpc_js_1.status.NOT_FOUND, `there is no ${what}`);
}
function failed(errorCode, errorMessage) {
    return { $case: 'errorResponse', value: { errorCode, errorMessage } };
}
