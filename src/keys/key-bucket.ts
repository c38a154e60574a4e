import { defaultLimits } from '../limits';
import {
  apiGet,
  callApi,
  streamInfo,
  type StreamApi,
  type StreamConfig,
  type StreamInfo,
} from '../jetstream/nats/api';
import { isRefused, toStoreError } from '../jetstream/nats/errors';
import { sentHeader } from '../jetstream/nats/headers';
import type { Link } from '../jetstream/nats/link';
import { disagreements } from '../jetstream/nats/open-stream';
import type { NatsOptions } from '../jetstream/nats/options';
import { ConnectError, openLink } from '../jetstream/nats/pool';
import { publishAtomically } from '../jetstream/nats/publish';
import { KeyError } from './key-error';
import { keyConnectTimeoutMs, keyRequestTimeoutMs } from './key-limits';
import type { KeyStore } from './key-store';
import { createKeyStore, type KeyStoreOptions, type Records, type StoredRecord } from './record-store';

/** Where a bucket is, and how to log in to NATS. */
export interface KeyBucketOptions
  extends
    KeyStoreOptions,
    Partial<Pick<NatsOptions, 'user' | 'password' | 'token' | 'credsFile' | 'tls'>>,
    Pick<NatsOptions, 'servers'> {
  /** 1 to 64 of A-Z a-z 0-9 _ -. */
  readonly bucket: string;
  /** Of a bucket that is created: 1, 3 or 5. Default: 1. */
  readonly replicas?: number | undefined;
  /** True: the bucket is not created, so that a wrong name is an error. */
  readonly mustExist?: boolean | undefined;
}

const bucketForm = /^[A-Za-z0-9_-]{1,64}$/;

/**
 * A key store in a JetStream key-value bucket, for processes on several machines. It has a connection to NATS of its own until it is
 * closed. Throws a TypeError for a name that no bucket can have; fails with KeyError if NATS cannot be reached, or if the bucket is
 * configured so that keys cannot be destroyed.
 *
 * A record is the newest message on a subject of the bucket. It is changed under its literal expected sequence, and read from the leader.
 * The message with a key that is forgotten is deleted with overwriting. For a moment, a subject has two messages: a bucket with a
 * history of 1 would drop the first without overwriting it.
 */
export async function openKeyBucket(options: KeyBucketOptions): Promise<KeyStore> {
  const { bucket, replicas = 1, mustExist = false } = options;
  if (!bucketForm.test(bucket))
    throw new TypeError(`a bucket must be 1 to 64 of A-Z a-z 0-9 _ -; found ${JSON.stringify(bucket)}`);
  return translated(bucket, async () => {
    const giveUpMs = performance.now() + keyConnectTimeoutMs;
    const link = await openLink(toNatsOptions(options), defaultLimits, 'sluice-keys', giveUpMs);
    try {
      const info = await findOrCreate(link, bucketConfig(bucket, replicas), mustExist);
      checkBucket(bucket, info);
      const stream = { name: info.config.name, replicas };
      return createKeyStore(new BucketRecords(link, stream, bucket), options);
    } catch (error) {
      await link.close();
      throw error;
    }
  });
}

function toNatsOptions(options: KeyBucketOptions): NatsOptions {
  const { servers, user, password, token, credsFile, tls } = options;
  const connections = { connectTimeoutMs: keyConnectTimeoutMs, appendConnections: 1, readConnections: 0 };
  return { servers, user, password, token, credsFile, tls, ...connections };
}

/** What a bucket must have, so that NATS keeps each record until it is overwritten. */
const needed = {
  storage: 'file',
  retention: 'limits',
  discard: 'new',
  max_age: 0,
  max_msgs: -1,
  max_msgs_per_subject: 2,
  deny_delete: false,
  sealed: false,
  mirror: undefined,
  sources: undefined,
} as const;

function bucketConfig(bucket: string, replicas: number): StreamConfig {
  return {
    name: `KV_${bucket}`,
    description: 'Sluice keys of data subjects: do not change by hand, see docs/personal-data.md',
    subjects: [`$KV.${bucket}.>`],
    ...needed,
    num_replicas: replicas,
    allow_rollup_hdrs: false,
    allow_direct: true,
  };
}

async function findOrCreate(link: Link, wanted: StreamConfig, mustExist: boolean): Promise<StreamInfo> {
  const options = { timeoutMs: keyRequestTimeoutMs };
  const find = (): Promise<StreamInfo> => streamInfo(link, wanted.name, undefined, options);
  try {
    return await find();
  } catch (error) {
    if (!isRefused(error, 'streamNotFound') || mustExist) throw error;
  }
  try {
    return await callApi<StreamInfo>(link, `STREAM.CREATE.${wanted.name}`, wanted, options);
  } catch (error) {
    if (!isRefused(error, 'streamNameExist')) throw error;
    return find();
  }
}

function checkBucket(bucket: string, { config }: StreamInfo): void {
  const wrong = disagreements(config, { ...needed, name: config.name });
  if (wrong.length === 0) return;
  const what = `the bucket ${bucket} cannot keep keys so that they can be destroyed: ${wrong.join('; ')}`;
  throw new KeyError('KEY_STORE_UNSAFE', `${what}. Use another one, which openKeyBucket creates`);
}

class BucketRecords implements Records {
  constructor(
    private readonly link: Link,
    private readonly stream: StreamApi,
    private readonly bucket: string,
  ) {}

  read(name: string): Promise<StoredRecord | undefined> {
    return this.translated(async () => {
      const lookup = { last_by_subj: this.subjectOf(name) };
      const message = await apiGet(this.link, this.stream, lookup, { timeoutMs: keyRequestTimeoutMs });
      return message && { revision: message.sequence.toString(), bytes: message.body };
    });
  }

  write(name: string, bytes: Uint8Array, after: string | undefined): Promise<boolean> {
    return this.translated(async () => {
      const headers = { [sentHeader.previous]: after ?? '0' };
      const message = { subject: this.subjectOf(name), headers, body: bytes };
      const outcome = await publishAtomically(this.link, [message], { timeoutMs: keyRequestTimeoutMs });
      if (outcome.kind === 'lost' || outcome.kind === 'failed') throw outcome.cause;
      return outcome.kind === 'stored';
    });
  }

  erase(_name: string, revision: string): Promise<void> {
    return this.translated(async () => {
      const { link, stream } = this;
      const seq = Number(revision);
      const options = { timeoutMs: keyRequestTimeoutMs };
      try {
        await callApi(link, `STREAM.MSG.DELETE.${stream.name}`, { seq, no_erase: false }, options);
      } catch (error) {
        // An earlier attempt has deleted it.
        if ((await apiGet(link, stream, { seq }, options)) !== undefined) throw error;
      }
    });
  }

  names(): Promise<readonly string[]> {
    return this.translated(async () => {
      const names: string[] = [];
      const [all, prefix] = [this.subjectOf('>'), this.subjectOf('')];
      for (;;) {
        const request = { subjects_filter: all, offset: names.length };
        const options = { timeoutMs: keyRequestTimeoutMs };
        const { state, total = 0 } = await streamInfo(this.link, this.stream.name, request, options);
        const page = Object.keys(state.subjects ?? {});
        for (const subject of page) names.push(subject.slice(prefix.length));
        if (page.length === 0 || names.length >= total) return names;
      }
    });
  }

  close(): Promise<void> {
    return this.link.close();
  }

  private subjectOf(name: string): string {
    return `$KV.${this.bucket}.${name}`;
  }

  private translated<Result>(work: () => Promise<Result>): Promise<Result> {
    return translated(this.bucket, work);
  }
}

async function translated<Result>(bucket: string, work: () => Promise<Result>): Promise<Result> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof KeyError || !(error instanceof Error)) throw error;
    const cause = toStoreError(error);
    const isMissing = isRefused(error, 'streamNotFound');
    const why = isMissing ? 'NATS has no such bucket' : error.message;
    if (cause === error && !(error instanceof ConnectError) && !('number' in error)) throw error;
    throw new KeyError('KEY_STORE_UNAVAILABLE', `the key bucket ${bucket} cannot be used: ${why}`, {
      cause: error,
    });
  }
}
