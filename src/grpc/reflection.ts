import { status } from '@grpc/grpc-js';
import { fromBinary } from '@bufbuild/protobuf';
import {
  FileDescriptorProtoSchema,
  type DescriptorProto,
  type EnumDescriptorProto,
} from '@bufbuild/protobuf/wkt';
import { BinaryReader } from '@bufbuild/protobuf/wire';
import { fileDescriptorSet } from '../../generated/descriptors';
import type {
  ServerReflectionRequest,
  ServerReflectionResponse,
} from '../../generated/grpc/reflection/v1/reflection';

/**
 * Answers of grpc.reflection.v1 and v1alpha, whose messages are the same. Files are given as buf built them: descriptors
 * that are put together anew, as proto-loader does, fail in Go clients once a file has imports.
 */
export type Reflect = (request: ServerReflectionRequest) => ServerReflectionResponse;

interface DescribedFile {
  readonly name: string;
  /** Names of the files that it imports. */
  readonly imports: readonly string[];
  readonly bytes: Buffer;
}

/** `services` are the full names of all services of the server. */
export function createReflect(services: readonly string[]): Reflect {
  const byName = new Map<string, DescribedFile>();
  const bySymbol = new Map<string, DescribedFile>();
  for (const bytes of filesOf(Buffer.from(fileDescriptorSet, 'base64'))) {
    const proto = fromBinary(FileDescriptorProtoSchema, bytes);
    const file = { name: proto.name, imports: proto.dependency, bytes };
    byName.set(file.name, file);
    const add = (symbol: string): unknown => bySymbol.set(symbol, file);
    for (const message of proto.messageType) addMessage(proto.package, message, add);
    addEnums(proto.package, proto.enumType, add);
    for (const { name, method } of proto.service) {
      add(`${proto.package}.${name}`);
      for (const { name: methodName } of method) add(`${proto.package}.${name}.${methodName}`);
    }
  }
  const listServices = {
    $case: 'listServicesResponse' as const,
    value: { service: services.map((name) => ({ name })) },
  };
  return (originalRequest) => {
    const answer = (): ServerReflectionResponse['messageResponse'] => {
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
          return failed(status.INVALID_ARGUMENT, 'the request asks for nothing');
      }
    };
    return { validHost: originalRequest.host, originalRequest, messageResponse: answer() };
  };
}

/** The encoded files of a FileDescriptorSet, which are its field 1. */
function* filesOf(set: Uint8Array): Generator<Buffer, void> {
  const reader = new BinaryReader(set);
  while (reader.pos < reader.len) {
    reader.tag();
    yield Buffer.from(reader.bytes());
  }
}

function addMessage(scope: string, message: DescriptorProto, add: (symbol: string) => unknown): void {
  const name = `${scope}.${message.name}`;
  add(name);
  for (const field of [...message.field, ...message.oneofDecl]) add(`${name}.${field.name}`);
  addEnums(name, message.enumType, add);
  for (const nested of message.nestedType) addMessage(name, nested, add);
}

/** Values of an enum belong to the scope of the enum. */
function addEnums(
  scope: string,
  enums: readonly EnumDescriptorProto[],
  add: (symbol: string) => unknown,
): void {
  for (const { name, value } of enums) {
    for (const symbol of [name, ...value.map((of) => of.name)]) add(`${scope}.${symbol}`);
  }
}

/** The file, then all that it needs, each once and after all that need it: read from the end, nothing is missing. */
function withImports(
  file: DescribedFile | undefined,
  byName: ReadonlyMap<string, DescribedFile>,
): ServerReflectionResponse['messageResponse'] {
  if (file === undefined) return undefined;
  const needed = new Set([file]);
  // A Set gives also what is added while it is walked.
  for (const { imports } of needed) {
    for (const name of imports) {
      const imported = byName.get(name) as DescribedFile;
      needed.delete(imported);
      needed.add(imported);
    }
  }
  const fileDescriptorProto = [...needed].map(({ bytes }) => bytes);
  return { $case: 'fileDescriptorResponse', value: { fileDescriptorProto } };
}

function notFound(what: string): ServerReflectionResponse['messageResponse'] {
  return failed(status.NOT_FOUND, `there is no ${what}`);
}

function failed(errorCode: status, errorMessage: string): ServerReflectionResponse['messageResponse'] {
  return { $case: 'errorResponse', value: { errorCode, errorMessage } };
}
