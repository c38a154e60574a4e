import { mkdtempSync } from 'node:fs';
import { join } from 'node:path';
import { temporaryFolder } from './tools';

/** A new folder for the replica of a gateway, which is removed when all tests have run. */
export function makeReplicaDir(): string {
  return mkdtempSync(join(temporaryFolder(), 'replica-'));
}
