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
 * Responds to grpc.reflection.v1 and v1alpha, whose messages are the same. Files are served as buf built them: descriptors that
 * are put together again, as proto-loader does, fail in Go clients once a file has imports.
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
    const respond = (): ServerReflectionResponse['messageResponse'] => {
      const { messageRequest } = originalRequest;
      switch (messageRequest?.$case) {
        case 'listServices':
          return listServices;
        case 'fileByFilename':
          return (
            withImports(byName.get(messageRequest.value), byName) ?? notFound(`file ${messageRequest.value}`)
          );
        case 'fileContainingSymbol':
          return (
            withImports(bySymbol.get(messageRequest.value), byName) ??
            notFound(`symbol ${messageRequest.value}`)
          );
        case 'fileContainingExtension':
          return notFound(
            `extension ${messageRequest.value.extensionNumber} of ${messageRequest.value.containingType}`,
          );
        case 'allExtensionNumbersOfType':
          return bySymbol.has(messageRequest.value)
            ? {
                $case: 'allExtensionNumbersResponse',
                value: { baseTypeName: messageRequest.value, extensionNumber: [] },
              }
            : notFound(`type ${messageRequest.value}`);
        case undefined:
          return failed(status.INVALID_ARGUMENT, 'the request is empty');
      }
    };
    return { validHost: originalRequest.host, originalRequest, messageResponse: respond() };
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

/** The file, then everything it needs, each after all that need it: a client that reads from the end misses nothing. */
function withImports(
  file: DescribedFile | undefined,
  byName: ReadonlyMap<string, DescribedFile>,
): ServerReflectionResponse['messageResponse'] {
  if (file === undefined) return undefined;
  const needed = new Set([file]);
  // A Set also yields what is added during the loop.
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
