import { defaultLimits } from '../../src/limits';
import { Bucket } from '../../src/auth/buckets';
import { QuotaExceededError } from '../../src/auth/errors';
import { noLimits, type CallerLimits } from '../../src/auth/permissions';
import { createQuotas, type Quotas, type Share } from '../../src/auth/quota';

let nowMs = 0;

function open(): Quotas {
  nowMs = 1_000;
  return createQuotas(
    { ...defaultLimits, readsMax: 8, appendsMax: 100, appendsBytesMax: 1_000 },
    () => nowMs,
  );
}

function limited(limits: Partial<CallerLimits>): CallerLimits {
  return { ...noLimits, ...limits };
}

/** How many appends get in, one after another and without an end. */
function appendsOf(share: Share, limits: CallerLimits, bytes = 1): number {
  for (let count = 0; count < 1_000; count++)
    if (share.enterAppend(bytes, limits) !== undefined) return count;
  return Infinity;
}

/** The same for appends that end at once. */
function rateOf(share: Share, limits: CallerLimits, bytes = 1): number {
  for (let count = 0; count < 1_000; count++) {
    if (share.enterAppend(bytes, limits) !== undefined) return count;
    share.leaveAppend(bytes);
  }
  return Infinity;
}

function limitOf(call: () => unknown): string | undefined {
  try {
    const error = call();
    return error instanceof QuotaExceededError ? error.limit : undefined;
  } catch (error) {
    return (error as QuotaExceededError).limit;
  }
}

describe('a bucket', () => {
  test('holds one second, and fills at its rate', () => {
    const bucket = new Bucket();
    for (let taken = 0; taken < 10; taken++) {
      expect(bucket.waitMs(1, 10, 5_000)).toBe(0);
      bucket.take(1, 5_000);
    }
    expect(bucket.waitMs(1, 10, 5_000)).toBe(100);
    expect(bucket.waitMs(1, 10, 5_099)).toBe(1);
    expect(bucket.waitMs(1, 10, 5_100)).toBe(0);
    expect(bucket.waitMs(10, 10, 5_100)).toBe(900);
    expect(bucket.waitMs(10, 10, 60_000)).toBe(0);
    expect(bucket.waitMs(11, 10, 60_000)).toBe(0);
  });

  test('gives more than it holds once it is full, and then takes longer to fill', () => {
    const bucket = new Bucket();
    bucket.waitMs(0, 10, 0);
    bucket.take(35, 0);
    expect(bucket.waitMs(1, 10, 0)).toBe(2_600);
    expect(bucket.waitMs(1, 10, 2_600)).toBe(0);
    expect(bucket.isFull(3_499)).toBe(false);
    expect(bucket.isFull(3_500)).toBe(true);
  });

  test('follows another rate at once', () => {
    const bucket = new Bucket();
    bucket.waitMs(1, 1, 0);
    bucket.take(1, 0);
    expect(bucket.waitMs(1, 1, 0)).toBe(1_000);
    expect(bucket.waitMs(1, 100, 0)).toBe(0);
    expect(bucket.waitMs(1, 1, 0)).toBe(1_000);
  });

  test('never asks for a wait of more than an hour', () => {
    const bucket = new Bucket();
    bucket.waitMs(1, 1, 0);
    bucket.take(1e9, 0);
    expect(bucket.waitMs(1, 1, 0)).toBe(3_600_000);
  });
});

describe('a share', () => {
  test('is one for a principal, and another one for another', () => {
    const quotas = open();
    expect(quotas.of('corp:alice')).toBe(quotas.of('corp:alice'));
    expect(appendsOf(quotas.of('corp:alice'), limited({ appends: 5 }))).toBe(5);
    expect(appendsOf(quotas.of('corp:alice'), limited({ appends: 5 }))).toBe(0);
    expect(appendsOf(quotas.of('corp:bob'), limited({ appends: 5 }))).toBe(5);
  });

  test('bounds appends and their bytes, except a single larger append', () => {
    const share = open().of('a');
    expect(share.enterAppend(900, limited({ appendBytes: 100 }))).toBeUndefined();
    expect(limitOf(() => share.enterAppend(1, limited({ appendBytes: 100 })))).toBe('append_bytes');
    share.leaveAppend(900);
    expect(share.enterAppend(60, limited({ appendBytes: 100 }))).toBeUndefined();
    expect(limitOf(() => share.enterAppend(41, limited({ appendBytes: 100 })))).toBe('append_bytes');
    expect(share.enterAppend(40, limited({ appendBytes: 100 }))).toBeUndefined();
    expect(limitOf(() => share.enterAppend(0, limited({ appends: 2 })))).toBe('appends');
  });

  test('never has the last quarter of what there is in all, whatever its limits are', () => {
    const quotas = open();
    expect(appendsOf(quotas.of('a'), noLimits)).toBe(75);
    expect(appendsOf(quotas.of('b'), limited({ appends: 99 }))).toBe(75);
    expect(appendsOf(quotas.of('c'), noLimits, 100)).toBe(7);
    for (let read = 0; read < 6; read++) quotas.of('a').enter('reads', noLimits);
    expect(
      limitOf(() => {
        quotas.of('a').enter('reads', limited({ reads: 8 }));
      }),
    ).toBe('reads');
    quotas.of('a').leave('reads');
    quotas.of('a').enter('reads', noLimits);
  });

  test('of anonymous callers is one for each connection, and all of them have no more than one principal', () => {
    const quotas = open();
    const first = quotas.forAnonymousConnection();
    expect(appendsOf(first, limited({ appends: 50 }))).toBe(50);
    const second = quotas.forAnonymousConnection();
    expect(appendsOf(second, limited({ appends: 50 }))).toBe(25);
    first.leaveAppend(1);
    expect(appendsOf(second, limited({ appends: 50 }))).toBe(1);
    expect(appendsOf(quotas.of('a'), limited({ appends: 50 }))).toBe(50);

    for (let read = 0; read < 4; read++) first.enter('reads', limited({ reads: 4 }));
    expect(
      limitOf(() => {
        first.enter('reads', limited({ reads: 4 }));
      }),
    ).toBe('reads');
    for (let read = 0; read < 2; read++) second.enter('reads', limited({ reads: 4 }));
    expect(
      limitOf(() => {
        second.enter('reads', limited({ reads: 4 }));
      }),
    ).toBe('reads');
    first.leave('reads');
    second.enter('reads', limited({ reads: 4 }));
  });

  test('bounds appends and bytes in a second, and says when to try again', () => {
    const share = open().of('a');
    expect(rateOf(share, limited({ appendsPerSecond: 20 }))).toBe(20);
    const refusal = share.enterAppend(1, limited({ appendsPerSecond: 20 }));
    expect(refusal).toMatchObject({ limit: 'appends_per_s', retryMs: 50 });
    nowMs += 500;
    expect(rateOf(share, limited({ appendsPerSecond: 20 }))).toBe(10);

    const other = open().of('b');
    expect(rateOf(other, limited({ bytesPerSecond: 1_000 }), 100)).toBe(10);
    expect(other.enterAppend(100, limited({ bytesPerSecond: 1_000 }))).toMatchObject({
      limit: 'bytes_per_s',
      retryMs: 100,
    });
  });

  test('takes nothing from one rate for an append that the other refuses', () => {
    const share = open().of('a');
    const limits = limited({ appendsPerSecond: 10, bytesPerSecond: 5 });
    expect(rateOf(share, limits)).toBe(5);
    for (let again = 0; again < 100; again++) share.enterAppend(1, limits);
    expect(rateOf(share, limited({ appendsPerSecond: 10 }))).toBe(5);
  });

  test('charges new streams when they are stored, and refuses more until that is made up for', () => {
    const share = open().of('a');
    const limits = limited({ newStreamsPerSecond: 2 });
    expect(share.newStreamRefusal(limits)).toBeUndefined();
    share.chargeNewStreams(1, limits);
    expect(share.newStreamRefusal(limits)).toBeUndefined();
    share.chargeNewStreams(2, limits);
    expect(share.newStreamRefusal(limits)).toMatchObject({ limit: 'new_streams_per_s', retryMs: 1_000 });
    nowMs += 1_000;
    expect(share.newStreamRefusal(limits)).toBeUndefined();
    expect(share.newStreamRefusal(noLimits)).toBeUndefined();
  });
});

describe('principals', () => {
  test('are forgotten when nothing of them is in use, and not before', () => {
    const quotas = open();
    const busy = quotas.of('busy');
    busy.enter('sessions', noLimits);
    const owing = quotas.of('owing');
    owing.enterAppend(1, limited({ appendsPerSecond: 1 }));
    owing.leaveAppend(1);
    for (let number = 0; number < 100_000; number++) quotas.of(`principal-${number}`);
    expect(quotas.size).toBeLessThanOrEqual(2_048);
    expect(quotas.of('busy')).toBe(busy);
    expect(quotas.of('owing')).toBe(owing);

    busy.leave('sessions');
    nowMs += 1_000;
    for (let number = 0; number < 10_000; number++) quotas.of(`other-${number}`);
    expect(quotas.of('busy')).not.toBe(busy);
    expect(quotas.of('owing')).not.toBe(owing);
  });
});
