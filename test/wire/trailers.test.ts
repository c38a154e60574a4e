import type { IncomingHttpHeaders } from 'node:http2';
import {
  AppendMultiRequest,
  AppendRequest,
  ReadAllRequest,
} from '../../generated/sluice/v1/event_store_service';
import { withGateway } from '../support/gateway';
import { openSession } from '../support/raw-http2';

/** What proxies and clients take without harm. */
const trailersBytesMax = 3_072;

/** The headers of an answer that is an error and nothing else. */
async function errorOf(address: string, method: string, request: Uint8Array): Promise<IncomingHttpHeaders> {
  const session = openSession(address);
  try {
    const stream = session.request({
      ':method': 'POST',
      ':path': `/sluice.v1.EventStoreService/${method}`,
      'content-type': 'application/grpc',
      te: 'trailers',
    });
    const head = Buffer.alloc(5);
    head.writeUInt32BE(request.length, 1);
    stream.end(Buffer.concat([head, request]));
    stream.resume();
    return await new Promise((resolve, reject) => {
      stream.on('response', (headers) => {
        if (headers['grpc-status'] !== undefined) resolve(headers);
      });
      stream.on('trailers', resolve);
      stream.on('error', reject);
    });
  } finally {
    session.destroy();
  }
}

function trailersBytes(headers: IncomingHttpHeaders): number {
  const lines = Object.entries(headers).filter(([name]) => name.startsWith('grpc-'));
  return lines
    .map(([name, value]) => name.length + String(value).length)
    .reduce((sum, bytes) => sum + bytes, 0);
}

const strange = '€'.repeat(300);
const longName = (i: number): string => `${'n'.repeat(190)}.${i}`;

test('errors of the largest requests have trailers below 3 KiB', () =>
  withGateway([], async (wire, _nats, address) => {
    await wire.unary('Append', { stream: longName(0), events: [{ type: 'a' }] });
    const events = Array.from({ length: 100 }, () => ({
      id: strange,
      type: strange,
      contentType: strange,
      correlationId: strange,
      causationId: strange,
      tags: [strange],
      metadata: new Map([[strange, strange]]),
    }));
    const expectedVersion = 2n ** 64n - 1n;
    const requests: [string, Uint8Array, string][] = [
      ['Append', AppendRequest.encode(AppendRequest.fromPartial({ stream: strange, events })).finish(), '3'],
      [
        'Append',
        AppendRequest.encode(
          AppendRequest.fromPartial({ stream: longName(0), events: [{ type: 'a' }], expectedVersion }),
        ).finish(),
        '10',
      ],
      [
        'AppendMulti',
        AppendMultiRequest.encode(
          AppendMultiRequest.fromPartial({
            appends: Array.from({ length: 100 }, (_, i) => ({
              stream: longName(i),
              events: [{ type: 'a' }],
              expectedVersion,
            })),
          }),
        ).finish(),
        '10',
      ],
      [
        'ReadAll',
        ReadAllRequest.encode(
          ReadAllRequest.fromPartial({
            patterns: Array.from({ length: 16 }, () => strange),
            eventTypes: [strange],
          }),
        ).finish(),
        '3',
      ],
    ];
    for (const [method, request, code] of requests) {
      const headers = await errorOf(address, method, request);
      expect(headers['grpc-status']).toBe(code);
      expect(trailersBytes(headers)).toBeLessThan(trailersBytesMax);
    }
  }));
