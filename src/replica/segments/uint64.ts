/** Buffer's own methods for 64 bits make several bigints for each value. */
const scratch = new DataView(new ArrayBuffer(8));
const scratchBytes = new Uint8Array(scratch.buffer);

/** Writes a 64-bit integer, big-endian. */
export function writeUint64BE(target: Uint8Array, at: number, value: bigint): void {
  scratch.setBigUint64(0, value);
  copyScratch(target, at);
}

/** Writes a 64-bit integer, little-endian. */
export function writeUint64LE(target: Uint8Array, at: number, value: bigint): void {
  scratch.setBigUint64(0, value, true);
  copyScratch(target, at);
}

function copyScratch(target: Uint8Array, at: number): void {
  for (let i = 0; i < 8; i++) target[at + i] = scratchBytes[i] as number;
}
