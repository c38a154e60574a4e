import { createInterface } from 'node:readline';
import {
  createRegistry,
  fromBinary,
  fromJson,
  toBinary,
  toJson,
  createFileRegistry,
} from '@bufbuild/protobuf';
import type { DescMessage, JsonObject, JsonValue } from '@bufbuild/protobuf';
import { FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt';
import { Client, credentials, Metadata, status } from '@grpc/grpc-js';
import type { MethodDefinition, ServiceDefinition, ServiceError, StatusObject } from '@grpc/grpc-js';
import { fileDescriptorSet } from '../../generated/descriptors';
import { HealthService } from '../../generated/grpc/health/v1/health';
import { ServerReflectionService } from '../../generated/grpc/reflection/v1/reflection';
import { ServerReflectionService as AlphaService } from '../../generated/grpc/reflection/v1alpha/reflection';
import { ConsumerGroupServiceService } from '../../generated/sluice/v1/consumer_group_service';
import { EventStoreServiceService } from '../../generated/sluice/v1/event_store_service';
import { StreamServiceService } from '../../generated/sluice/v1/stream_service';
import { version } from '@grpc/grpc-js/package.json';

/** The runner in TypeScript: messages and services by ts-proto, their JSON by @bufbuild/protobuf. See ../README.md. */

const files = createFileRegistry(
  fromBinary(FileDescriptorSetSchema, Buffer.from(fileDescriptorSet, 'base64')),
);
const registry = createRegistry(...files);

type AnyMethod = MethodDefinition<unknown, unknown>;
const services: readonly ServiceDefinition[] = [
  EventStoreServiceService,
  ConsumerGroupServiceService,
  StreamServiceService,
  HealthService,
  ServerReflectionService,
  AlphaService,
];
const methods = new Map(
  services.flatMap((service) =>
    Object.values(service).map((method) => [method.path.slice(1), method as AnyMethod]),
  ),
);

interface Command {
  readonly call: number;
  readonly method: string;
  readonly deadlineMs: number;
  readonly request?: JsonValue;
  readonly metadata?: Readonly<Record<string, string>>;
  readonly send?: JsonValue;
  readonly halfClose?: boolean;
  readonly cancel?: boolean;
}

interface Call {
  send(message: JsonValue): void;
  halfClose(): void;
  cancel(): void;
}

function say(line: JsonObject): void {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

function messageOf(method: string, side: 'input' | 'output'): DescMessage {
  const [service = '', name = ''] = method.split('/');
  const found = files.getService(service)?.methods.find((one) => one.name === name);
  if (found === undefined) throw new Error(`there is no method ${method}`);
  return found[side];
}

function begin(client: Client, { call: number, method, deadlineMs, request, metadata }: Command): Call {
  const definition = methods.get(method);
  if (definition === undefined) throw new Error(`there are no stubs for ${method}`);
  const { path, requestSerialize, requestDeserialize, responseSerialize, responseDeserialize } = definition;
  const [input, output] = [messageOf(method, 'input'), messageOf(method, 'output')];
  const typed = (value: JsonValue): unknown =>
    requestDeserialize(Buffer.from(toBinary(input, fromJson(input, value, { registry }))));
  const onMessage = (message: unknown): void => {
    const value = toJson(output, fromBinary(output, responseSerialize(message)), { registry });
    say({ call: number, message: value });
  };
  const onEnd = (ended: StatusObject): void => {
    say({ call: number, ...endOf(ended) });
  };
  const options = { deadline: Date.now() + deadlineMs };
  const sent = new Metadata();
  for (const [name, value] of Object.entries(metadata ?? {})) sent.set(name, value);
  if (!definition.responseStream) {
    const send = typed(request ?? {});
    const done = (error: ServiceError | null, answer: unknown): void => {
      if (error === null) onMessage(answer);
      onEnd(error ?? { code: status.OK, details: '', metadata: new Metadata() });
    };
    const unary = client.makeUnaryRequest(
      path,
      requestSerialize,
      responseDeserialize,
      send,
      sent,
      options,
      done,
    );
    return {
      send: refuse,
      halfClose: refuse,
      cancel: () => {
        unary.cancel();
      },
    };
  }
  const duplex = definition.requestStream
    ? client.makeBidiStreamRequest(path, requestSerialize, responseDeserialize, sent, options)
    : undefined;
  const answers =
    duplex ??
    client.makeServerStreamRequest(
      path,
      requestSerialize,
      responseDeserialize,
      typed(request ?? {}),
      sent,
      options,
    );
  answers.on('data', onMessage).on('error', () => undefined); // the status tells
  answers.on('status', (ended: StatusObject) => {
    setImmediate(onEnd, ended); // behind the messages that were there before it
  });
  return {
    send: (message) => void duplex?.write(typed(message)),
    halfClose: () => void duplex?.end(),
    cancel: () => {
      answers.cancel();
    },
  };
}

function refuse(): never {
  throw new Error('this method takes no stream');
}

function endOf({ code, details: text, metadata }: StatusObject): JsonObject {
  const [bytes] = metadata.get('grpc-status-details-bin');
  const rich = files.getMessage('google.rpc.Status');
  if (bytes === undefined || rich === undefined) return { status: status[code], text };
  const decoded = toJson(rich, fromBinary(rich, Buffer.from(bytes)), { registry }) as JsonObject;
  return { status: status[code], text, details: decoded['details'] ?? [] };
}

async function main(address: string): Promise<void> {
  const client = new Client(address, credentials.createInsecure(), { 'grpc.max_send_message_length': -1 });
  const calls = new Map<number, Call>();
  say({ runner: `Node.js ${process.versions.node}, @grpc/grpc-js ${version}` });
  for await (const line of createInterface({ input: process.stdin })) {
    const command = JSON.parse(line) as Command;
    const call = calls.get(command.call);
    if (call === undefined) calls.set(command.call, begin(client, command));
    else if (command.send !== undefined) call.send(command.send);
    else if (command.halfClose === true) call.halfClose();
    else call.cancel();
  }
  client.close();
  process.exit(0);
}

void main(process.argv[2] ?? '');
