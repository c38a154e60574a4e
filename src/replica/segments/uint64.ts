/** What Buffer has for this makes several big numbers on the way. */
const scratch = new DataView(new ArrayBuffer(8));
const scratchBytes = new Uint8Array(scratch.buffer);

/** Writes a whole number of 64 bits, the highest first. */
export function writeUint64BE(target: Uint8Array, at: number, value: bigint): void {
  scratch.setBigUint64(0, value);
  copyScratch(target, at);
}

/** The same, the lowest first. */
export function writeUint64LE(target: Uint8Array, at: number, value: bigint): void {
  scratch.setBigUint64(0, value, true);
  copyScratch(target, at);
}

function copyScratch(target: Uint8Array, at: number): void {
  for (let i = 0; i < 8; i++) target[at + i] = scratchBytes[i] as number;
}
