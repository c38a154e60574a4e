import { cpSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { TestNats } from './nats-server';

/** The files of a JetStream stream as they are now, kept in the server's data folder. The server must not run. */
export interface StreamFiles {
  /** Puts them in place of those that are there. The server must not run. */
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
