import type { ServerHttp2Stream } from 'node:http2';
import type { Metadata, StatusObject } from '@grpc/grpc-js';

/** The parts of a call of grpc-js (1.14) that the gateway uses. */
export interface InnerCall {
  readonly stream: ServerHttp2Stream;
  readonly metadata: Metadata;
  readonly handler: { readonly path: string };
  decoder: { write(data: Buffer): Buffer[] };
  decompressMessage(message: Buffer, encoding: string): Buffer | Promise<Buffer>;
  /** Gives the call to its handler, which then reads. */
  start(listener: unknown): void;
  sendMessage(message: Buffer, onSent: () => void): void;
  sendStatus(status: Pick<StatusObject, 'code' | 'details'> & Partial<StatusObject>): void;
}
