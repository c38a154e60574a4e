import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { BackupError } from './backup-error';

export const manifestName = 'manifest.json';

/** The format that this version writes, and the only one that it reads. */
const format = 1;

const count = z.number().int().nonnegative();

const schema = z.object({
  format: z.literal(format),
  /** When the backup was taken, by the clock of this machine. */
  created: z.string(),
  sluice: z.string(),
  natsServer: z.string(),
  store: z.object({
    name: z.string(),
    prefix: z.string(),
    /** "": the store has no id. */
    id: z.string(),
    replicas: count,
  }),
  /** The sequence of the last message: the store up to here is in the backup. */
  position: count,
  counts: z.object({
    messages: count,
    commits: count,
    events: count,
    streams: count,
    /** Messages that are no commits, and messages that are gone. */
    unreadable: count,
  }),
  /** The configuration of the JetStream stream, and the state of its messages, as nats-server reported them. */
  stream: z.object({ config: z.record(z.string(), z.unknown()), state: z.record(z.string(), z.unknown()) }),
  files: z.array(z.object({ name: z.string(), bytes: count, sha256: z.string() })),
});

/** What a backup holds. */
export type Manifest = z.infer<typeof schema>;

/** The files of a backup besides the manifest. */
export const backupFiles = { log: 'log.snapshot', versions: 'versions.tsv' } as const;

export function newManifest(about: Omit<Manifest, 'format'>): Manifest {
  return { format, ...about };
}

/** The text of the file: the manifest, and its own SHA-256. */
export function manifestText(manifest: Manifest): string {
  return `${JSON.stringify({ manifest, sha256: digestOf(manifest) }, null, 2)}\n`;
}

/** Reads the manifest of a backup. Throws BackupError if it is missing, damaged or of another format. */
export async function readManifest(folder: string): Promise<Manifest> {
  const path = join(folder, manifestName);
  const text = await readFile(path, 'utf8').catch((error: unknown) => {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code !== 'ENOENT') throw new BackupError(`the manifest cannot be read: ${message}`);
    throw new BackupError(
      `${folder} is not a complete backup: it has no ${manifestName}, which is written last`,
    );
  });
  const { manifest, sha256 } = parse(text, path);
  const { format: found } = manifest as { readonly format?: unknown };
  if (digestOf(manifest) !== sha256)
    throw new BackupError(`${path} is damaged: it does not have its checksum`);
  if (found !== format) {
    throw new BackupError(
      `the backup has format ${String(found)}, and this version of Sluice reads only format ${format.toString()}`,
    );
  }
  const parsed = schema.safeParse(manifest);
  if (!parsed.success) throw new BackupError(`${path} is not a manifest of Sluice`);
  return parsed.data;
}

function parse(text: string, path: string): { readonly manifest: object; readonly sha256: unknown } {
  try {
    const { manifest, sha256 } = JSON.parse(text) as { manifest?: unknown; sha256?: unknown };
    if (typeof manifest === 'object' && manifest !== null) return { manifest, sha256 };
  } catch {
    // Reported below.
  }
  throw new BackupError(`${path} is damaged: it is not a manifest of Sluice`);
}

function digestOf(manifest: object): string {
  return createHash('sha256').update(JSON.stringify(manifest)).digest('hex');
}
