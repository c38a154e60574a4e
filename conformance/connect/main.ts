import { createInterface } from 'node:readline';
import {
  create,
  createFileRegistry,
  fromBinary,
  toJson,
  type DescMethod,
  type JsonObject,
  type JsonValue,
} from '@bufbuild/protobuf';
import { AnySchema, FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt';
import { status } from '@grpc/grpc-js';
import { fileDescriptorSet } from '../../generated/descriptors';

/** The runner for plain HTTP: `fetch` and JSON, as the Connect protocol has them, and nothing else. See ../README.md. */

const registry = createFileRegistry(
  fromBinary(FileDescriptorSetSchema, Buffer.from(fileDescriptorSet, 'base64')),
);

interface Command {
  readonly call: number;
  readonly method: string;
  readonly deadlineMs: number;
  readonly request?: JsonValue;
  readonly metadata?: Readonly<Record<string, string>>;
  readonly cancel?: boolean;
}

/** An error of Connect. */
interface ConnectError {
  readonly code: string;
  readonly message?: string;
  readonly details?: readonly { readonly type: string; readonly value: string }[];
}

function say(line: JsonObject): void {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

function methodOf(name: string): DescMethod {
  const [service = '', method = ''] = name.split('/');
  const found = registry.getService(service)?.methods.find((one) => one.name === method);
  if (found === undefined) throw new Error(`there is no method ${name}`);
  return found;
}

/** Makes a call and reports it. */
async function make(url: string, command: Command, signal: AbortSignal): Promise<void> {
  const { call, method, deadlineMs, request = {}, metadata = {} } = command;
  const isStream = methodOf(method).methodKind !== 'unary';
  const body = Buffer.from(JSON.stringify(request));
  try {
    const response = await fetch(`${url}/${method}`, {
      method: 'POST',
      headers: {
        ...metadata,
        'content-type': isStream ? 'application/connect+json' : 'application/json',
        'connect-protocol-version': '1',
        'connect-timeout-ms': deadlineMs.toString(),
      },
      body: isStream ? Buffer.concat([headerOf(body.length), body]) : body,
      signal,
    });
    say({ call, ...(isStream ? await streamed(call, response) : await unary(call, response)) });
  } catch (error) {
    const { message, cause } = error as Error;
    const text = `${message}: ${String(cause)}`;
    say({ call, status: signal.aborted ? 'CANCELLED' : 'UNAVAILABLE', text });
  }
}

const headerBytes = 5;
const endFlag = 2;

function headerOf(length: number): Buffer {
  const header = Buffer.alloc(headerBytes);
  header.writeUInt32BE(length, 1);
  return header;
}

async function unary(call: number, response: Response): Promise<JsonObject> {
  const answer = (await response.json()) as JsonObject;
  if (!response.ok) return endOf(answer as unknown as ConnectError);
  say({ call, message: answer });
  return endOf(undefined);
}

/** Reports each message of a stream; gives its end. */
async function streamed(call: number, response: Response): Promise<JsonObject> {
  if (response.status !== 200 || response.body === null)
    throw new Error(`HTTP ${response.status}: ${await response.text()}`);
  let held = Buffer.alloc(0);
  for await (const chunk of response.body) {
    held = Buffer.concat([held, chunk as Uint8Array]);
    while (held.length >= headerBytes && held.length >= headerBytes + held.readUInt32BE(1)) {
      const end = headerBytes + held.readUInt32BE(1);
      const message = JSON.parse(held.toString('utf8', headerBytes, end)) as JsonObject;
      if (held.readUInt8() === endFlag) return endOf((message as { error?: unknown }).error as ConnectError);
      say({ call, message });
      held = held.subarray(end);
    }
  }
  throw new Error('the stream has no end');
}

function endOf(error: ConnectError | undefined): JsonObject {
  if (error === undefined) return { status: status[status.OK], text: '' };
  const details = (error.details ?? []).map(({ type, value }) =>
    toJson(
      AnySchema,
      create(AnySchema, {
        typeUrl: `type.googleapis.com/${type}`,
        value: Buffer.from(value, 'base64'),
      }),
      { registry },
    ),
  );
  const name = error.code === 'canceled' ? 'CANCELLED' : error.code.toUpperCase();
  return { status: name, text: error.message ?? '', details };
}

async function main(address: string): Promise<void> {
  const calls = new Map<number, AbortController>();
  say({ runner: `Node.js ${process.versions.node}, fetch` });
  for await (const line of createInterface({ input: process.stdin })) {
    const command = JSON.parse(line) as Command;
    const known = calls.get(command.call);
    if (known !== undefined) known.abort();
    else {
      const abort = new AbortController();
      calls.set(command.call, abort);
      void make(`http://${address}`, command, abort.signal);
    }
  }
  process.exit(0);
}

void main(process.argv[2] ?? '');
