import { cpSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { TestNats } from './nats-server';

/** A copy of the present files of a JetStream stream, in the data folder of the server. The server must not run. */
export interface StreamFiles {
  /** Replaces the files of the stream by the copy. The server must not run. */
  putBack(): void;
}

let copies = 0;

export function copyStream({ dataDir }: TestNats, name: string): StreamFiles {
  const folder = join(dataDir, 'jetstream', '$G', 'streams', name);
  const copy = join(dataDir, `copy-${(copies++).toString()}`);
  cpSync(folder, copy, { recursive: true });
  return {
    putBack() {
      rmSync(folder, { recursive: true, force: true });
      cpSync(copy, folder, { recursive: true });
    },
  };
}
