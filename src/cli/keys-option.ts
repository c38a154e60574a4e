import { ConfigError, loadOperatorConfig } from '../config/config';
import { openKeyFolder } from '../keys/key-folder';
import { checkSubject, type KeyStore } from '../keys/key-store';
import { readMasterKey } from '../keys/master-key';
import { withKeys, type WithKeysOptions } from '../keys/with-keys';
import type { Given, Options } from './arguments';
import type { Context } from './command';
import { UsageError } from './failure';

/** The options of every command that uses keys of data subjects. */
export const keysOptions = {
  keys: {
    kind: 'text',
    value: 'FOLDER|kv:BUCKET',
    help: 'The key store: a folder, or a bucket at the NATS of SLUICE_NATS_URL.',
  },
  'master-key-file': {
    kind: 'text',
    value: 'FILE',
    help: 'The master key by which the keys of --keys are wrapped: 32 bytes, as base64 or hexadecimal.',
  },
} as const satisfies Options;

type GivenKeys = Given<typeof keysOptions>;

const bucketPrefix = 'kv:';

/** Where keys are. */
export interface KeysPlace {
  readonly store: { readonly folder: string } | { readonly bucket: string };
  readonly masterKeyFile: string | undefined;
}

/** undefined: without keys. Throws UsageError. */
export function keysPlaceOf({ keys, 'master-key-file': masterKeyFile }: GivenKeys): KeysPlace | undefined {
  if (keys === undefined) {
    if (masterKeyFile !== undefined) throw new UsageError('--master-key-file needs --keys');
    return undefined;
  }
  if (keys === '') throw new UsageError('--keys must be a folder, or kv: and the name of a bucket');
  if (!keys.startsWith(bucketPrefix)) return { store: { folder: keys }, masterKeyFile };
  const bucket = keys.slice(bucketPrefix.length);
  if (/^[A-Za-z0-9_-]{1,64}$/.test(bucket)) return { store: { bucket }, masterKeyFile };
  throw new UsageError(`--keys: a bucket must be 1 to 64 of A-Z a-z 0-9 _ -; found "${bucket}"`);
}

/** Opens a key store, which must exist unless it may be created. Fails with UsageError, KeyError, and errors of the system. */
export async function openKeys(
  { store, masterKeyFile }: KeysPlace,
  { mayCreate = false }: { readonly mayCreate?: boolean } = {},
): Promise<KeyStore> {
  const masterKey = masterKeyFile === undefined ? undefined : await readMasterKey(masterKeyFile);
  const options = { masterKey, mustExist: !mayCreate };
  if ('folder' in store) return openKeyFolder(store.folder, options);
  const { openKeyBucket } = await import('../keys/key-bucket.js');
  return openKeyBucket({ ...natsOptions(), bucket: store.bucket, ...options });
}

/** The same settings as those of `sluice backup`, from their variables. */
function natsOptions() {
  try {
    const { nats } = loadOperatorConfig([]);
    if (nats.kind === 'external') return nats.options;
  } catch (error) {
    if (error instanceof ConfigError) throw new UsageError(error.message);
    throw error;
  }
  throw new UsageError('--keys=kv:... needs the variable SLUICE_NATS_URL');
}

type Run = (context: Context) => Promise<number>;

/** A command whose client decrypts events, and encrypts them as `options` say, if --keys is given. Throws UsageError. */
export function withGivenKeys(
  given: GivenKeys,
  run: Run,
  options: WithKeysOptions & { readonly mayCreate?: boolean } = {},
): Run {
  const place = keysPlaceOf(given);
  if (place === undefined) return run;
  return async (context) => {
    await using keys = await openKeys(place, options);
    return await run({ ...context, client: withKeys(context.client, keys, options) });
  };
}

/** Throws UsageError for a name that no data subject can have. */
export function subjectOf(text: string, name: string): string {
  try {
    checkSubject(text);
    return text;
  } catch (error) {
    throw new UsageError(`${name}: ${error instanceof Error ? error.message : ''}`);
  }
}
