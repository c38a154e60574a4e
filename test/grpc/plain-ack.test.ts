import fc from 'fast-check';
import { ConsumeRequest } from '../../generated/sluice/v1/consumer_group_service';
import { plainAck } from '../../src/grpc/plain-ack';

const idsMax = 1_000;
const uint64 = fc.oneof(
  fc.bigInt({ min: 0n, max: 300n }),
  fc.bigInt({ min: 0n, max: 2n ** 53n }),
  fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
);
const encoded = (deliveries: bigint[]): Uint8Array =>
  ConsumeRequest.encode({ request: { $case: 'ack', value: { deliveries } } }).finish();

test('the ids of an acknowledgement are those that generated code reads, if numbers have them', () => {
  fc.assert(
    fc.property(fc.array(uint64, { minLength: 1, maxLength: 200 }), (deliveries) => {
      const found = plainAck(encoded(deliveries), idsMax);
      if (deliveries.every((id) => id < 2n ** 49n)) expect(found?.map(BigInt)).toEqual(deliveries);
      else expect(found).toBeUndefined();
    }),
  );
});

test('bytes that are anything else are left to generated code', () => {
  const ack = encoded([1n, 300n]);
  for (let cut = 0; cut < ack.length; cut++) expect(plainAck(ack.subarray(0, cut), idsMax)).toBeUndefined();
  expect(plainAck(Buffer.concat([ack, ack]), idsMax)).toBeUndefined();
  expect(plainAck(encoded(Array<bigint>(idsMax + 1).fill(1n)), idsMax)).toBeUndefined();
  const leave = ConsumeRequest.encode({ request: { $case: 'leave', value: {} } }).finish();
  expect(plainAck(leave, idsMax)).toBeUndefined();
  // Not packed: valid, and no client does it.
  expect(plainAck(Uint8Array.of(0x12, 2, 0x08, 1), idsMax)).toBeUndefined();
});

test('whatever bytes come, the ids are those of generated code', () => {
  const byte = fc.oneof(fc.integer({ min: 0, max: 255 }), fc.constantFrom(0x12, 0x0a, 0, 1, 2, 3));
  fc.assert(
    fc.property(fc.array(byte, { maxLength: 12 }), (bytes) => {
      const found = plainAck(Uint8Array.from([0x12, bytes.length, ...bytes]), idsMax);
      if (found === undefined) return;
      const { request } = ConsumeRequest.decode(Uint8Array.from([0x12, bytes.length, ...bytes]));
      expect(request).toEqual({ $case: 'ack', value: { deliveries: found.map(BigInt) } });
    }),
  );
});
