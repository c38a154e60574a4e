/** HighwayHash, 64 bits, as its authors define it (github.com/google/highwayhash), for the checksums of nats-server. */

const all = 0xffff_ffff_ffff_ffffn;
const low = 0xffff_ffffn;

const firstMul0 = [0xdbe6d5d5fe4cce2fn, 0xa4093822299f31d0n, 0x13198a2e03707344n, 0x243f6a8885a308d3n];
const firstMul1 = [0x3bd39e10cb0ef593n, 0xc0acf169b5f18a8cn, 0xbe5466cf34e90c6cn, 0x452821e638d01377n];
const lanes = [0, 1, 2, 3] as const;
type Lane = (typeof lanes)[number];

/** `key` has 32 bytes. */
export function highwayHash(key: Buffer, input: Buffer): bigint {
  const state = new State(key);
  const rest = input.length % 32;
  for (let at = 0; at + 32 <= input.length; at += 32) state.update(input.subarray(at, at + 32));
  if (rest > 0) state.updateRemainder(input.subarray(input.length - rest));
  return state.finish();
}

class State {
  private readonly mul0 = new BigUint64Array(firstMul0);
  private readonly mul1 = new BigUint64Array(firstMul1);
  private readonly v0 = new BigUint64Array(4);
  private readonly v1 = new BigUint64Array(4);

  constructor(key: Buffer) {
    for (const lane of lanes) {
      const word = key.readBigUInt64LE(8 * lane);
      this.v0[lane] = at(this.mul0, lane) ^ word;
      this.v1[lane] = at(this.mul1, lane) ^ swapHalves(word);
    }
  }

  update(packet: Buffer): void {
    this.updateWords(lanes.map((lane) => packet.readBigUInt64LE(8 * lane)));
  }

  updateRemainder(bytes: Buffer): void {
    const { length } = bytes;
    const packet = Buffer.alloc(32);
    const whole = length & ~3;
    const tail = length & 3;
    for (const lane of lanes) {
      this.v0[lane] = at(this.v0, lane) + (BigInt(length) << 32n) + BigInt(length);
      this.v1[lane] = rotateHalves(at(this.v1, lane), BigInt(length));
    }
    bytes.copy(packet, 0, 0, whole);
    if ((length & 16) !== 0) bytes.copy(packet, 28, whole + tail - 4, whole + tail);
    else if (tail > 0) {
      packet[16] = bytes[whole] as number;
      packet[17] = bytes[whole + (tail >> 1)] as number;
      packet[18] = bytes[whole + tail - 1] as number;
    }
    this.update(packet);
  }

  finish(): bigint {
    const order: readonly Lane[] = [2, 3, 0, 1];
    for (let round = 0; round < 4; round++)
      this.updateWords(order.map((lane) => swapHalves(at(this.v0, lane))));
    return (at(this.v0, 0) + at(this.v1, 0) + at(this.mul0, 0) + at(this.mul1, 0)) & all;
  }

  private updateWords(words: readonly bigint[]): void {
    const { v0, v1, mul0, mul1 } = this;
    for (const lane of lanes) {
      v1[lane] = at(v1, lane) + at(mul0, lane) + (words[lane] as bigint);
      mul0[lane] = at(mul0, lane) ^ ((at(v1, lane) & low) * (at(v0, lane) >> 32n));
      v0[lane] = at(v0, lane) + at(mul1, lane);
      mul1[lane] = at(mul1, lane) ^ ((at(v0, lane) & low) * (at(v1, lane) >> 32n));
    }
    for (const [to, from] of [
      [v0, v1],
      [v1, v0],
    ] as const)
      for (const lane of [0, 2] as const) zipperMerge(from, to, lane);
  }
}

function zipperMerge(from: BigUint64Array, to: BigUint64Array, lane: 0 | 2): void {
  const next = (lane + 1) as Lane;
  const [v0, v1] = [at(from, lane), at(from, next)];
  to[lane] =
    at(to, lane) +
    ((((v0 & 0xff000000n) | (v1 & 0xff00000000n)) >> 24n) |
      (((v0 & 0xff0000000000n) | (v1 & 0xff000000000000n)) >> 16n) |
      (v0 & 0xff0000n) |
      ((v0 & 0xff00n) << 32n) |
      ((v1 & 0xff00000000000000n) >> 8n) |
      ((v0 << 56n) & all));
  to[next] =
    at(to, next) +
    ((((v1 & 0xff000000n) | (v0 & 0xff00000000n)) >> 24n) |
      (v1 & 0xff0000n) |
      ((v1 & 0xff0000000000n) >> 16n) |
      ((v1 & 0xff00n) << 24n) |
      ((v0 & 0xff000000000000n) >> 8n) |
      ((v1 & 0xffn) << 48n) |
      (v0 & 0xff00000000000000n));
}

function at(words: BigUint64Array, lane: Lane): bigint {
  return words[lane] as bigint;
}

function swapHalves(word: bigint): bigint {
  return (word >> 32n) | ((word & low) << 32n);
}

function rotateHalves(word: bigint, count: bigint): bigint {
  const rotate = (half: bigint): bigint => ((half << count) | (half >> (32n - count))) & low;
  return rotate(word & low) | (rotate(word >> 32n) << 32n);
}
