import { createHash, randomBytes, randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { RecentMap } from '../collections/recent-map';
import { KeyError } from './key-error';
import {
  changeAttemptsMax,
  forgottenKeysMax,
  keyCacheEntriesMax,
  keyCacheMs,
  listRequestsMax,
} from './key-limits';
import {
  checkSubject,
  type DataKey,
  type GetKeyOptions,
  type KeyStore,
  type ListedSubject,
  type SubjectKeys,
} from './key-store';
import { checkMasterKey } from './master-key';
import { decodeRecord, encodeRecord, toDataKey, toStoredKey, type KeyRecord } from './record';

/** A record as it is stored. */
export interface StoredRecord {
  /** Of this state of the record. */
  readonly revision: string;
  readonly bytes: Uint8Array;
}

/** Where records are, by name: 64 hexadecimal digits. Every method fails with KeyError. */
export interface Records {
  /** The newest one as it is stored now; undefined: there never was one. */
  read(name: string): Promise<StoredRecord | undefined>;
  /**
   * Stores the next record, unless the newest one is no longer `after`; undefined: unless there is one. False: another process has
   * changed the record. After true, the record survives a crash.
   */
  write(name: string, bytes: Uint8Array, after: string | undefined): Promise<boolean>;
  /** Overwrites an earlier record, which is no longer the newest. Can be repeated. */
  erase(name: string, revision: string): Promise<void>;
  names(): Promise<readonly string[]>;
  close(): Promise<void>;
}

/** The options of every key store. */
export interface KeyStoreOptions {
  /**
   * 32 bytes, by which keys are wrapped before they are stored (AES-256-GCM), so that a copy of the key store alone reveals nothing. Keep
   * it elsewhere: `readMasterKey` reads it from a file. Left out: new keys are stored as they are.
   */
  readonly masterKey?: Uint8Array | undefined;
}

/** A key store in records. Throws a TypeError for a master key that is not 32 bytes. */
export function createKeyStore(records: Records, { masterKey }: KeyStoreOptions): KeyStore {
  if (masterKey !== undefined) checkMasterKey(masterKey);
  return new RecordStore(records, masterKey);
}

/** What the newest record of a subject says, and its revision. */
interface Read {
  readonly record: KeyRecord;
  readonly revision: string;
}

class RecordStore implements KeyStore {
  private readonly cache = new RecentMap<string, { readonly keys: SubjectKeys; readonly readMs: number }>(
    keyCacheEntriesMax,
  );
  /** How often this process has forgotten a key: what it read before that is not kept. */
  private forgets = 0;

  constructor(
    private readonly records: Records,
    private readonly masterKey: Uint8Array | undefined,
  ) {}

  async create(subject: string): Promise<DataKey> {
    checkSubject(subject);
    return untilDone(subject, async () => {
      const read = await this.read(subject);
      if (read?.record.key !== undefined) return toDataKey(subject, read.record.key, this.masterKey);
      return this.createAfter(subject, read);
    });
  }

  async get(subject: string, { fresh = false }: GetKeyOptions = {}): Promise<SubjectKeys | undefined> {
    checkSubject(subject);
    const cached = this.cache.get(subject);
    if (!fresh && cached !== undefined && performance.now() - cached.readMs < keyCacheMs) return cached.keys;
    const [readMs, { forgets }] = [performance.now(), this];
    const read = await this.read(subject);
    if (read === undefined) return undefined;
    const { key, forgotten } = read.record;
    const keys = { subject, key: key && toDataKey(subject, key, this.masterKey), forgotten };
    if (forgets === this.forgets) this.cache.set(subject, { keys, readMs });
    return keys;
  }

  async forget(subject: string): Promise<ListedSubject | undefined> {
    checkSubject(subject);
    const record = await untilDone(subject, async () => {
      const read = await this.read(subject);
      return read === undefined ? null : this.forgetKey(read);
    });
    this.forgets++;
    this.cache.delete(subject);
    if (record === null) return undefined;
    if (record.replaces !== undefined) await this.records.erase(nameOf(subject), record.replaces);
    return toListed(record);
  }

  async describe(subject: string): Promise<ListedSubject | undefined> {
    checkSubject(subject);
    const read = await this.read(subject);
    return read && toListed(read.record);
  }

  async *list(): AsyncGenerator<ListedSubject, void> {
    const names = await this.records.names();
    for (let at = 0; at < names.length; at += listRequestsMax) {
      const some = names.slice(at, at + listRequestsMax);
      const reads = await Promise.all(
        some.map((name) => this.readNamed(name, `the record ${name} of the key store`)),
      );
      for (const read of reads) if (read !== undefined) yield toListed(read.record);
    }
  }

  close(): Promise<void> {
    this.cache.clear();
    return this.records.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  private async read(subject: string): Promise<Read | undefined> {
    const what = `the record of ${subject} in the key store`;
    const read = await this.readNamed(nameOf(subject), what);
    if (read !== undefined && read.record.subject !== subject)
      throw new KeyError('KEY_STORE_DAMAGED', `${what} is that of ${read.record.subject}`);
    return read;
  }

  private async readNamed(name: string, what: string): Promise<Read | undefined> {
    const stored = await this.records.read(name);
    return stored && { record: decodeRecord(stored.bytes, what), revision: stored.revision };
  }

  /** undefined: another process has changed the record. */
  private async createAfter(subject: string, read: Read | undefined): Promise<DataKey | undefined> {
    const { forgotten = [], replaces } = read?.record ?? {};
    if (forgotten.length >= forgottenKeysMax)
      throw new KeyError(
        'KEY_LIMIT_REACHED',
        `${subject} was forgotten ${forgottenKeysMax} times, and gets no key any more`,
      );
    // A process that ended while it forgot the key has left it; a later record could displace it without overwriting it.
    if (replaces !== undefined) await this.records.erase(nameOf(subject), replaces);
    const key = { id: randomUUID(), bytes: randomBytes(32), createTime: new Date() };
    const record = {
      subject,
      key: toStoredKey(subject, key, this.masterKey),
      forgotten,
      replaces: undefined,
    };
    return (await this.records.write(nameOf(subject), encodeRecord(record), read?.revision))
      ? key
      : undefined;
  }

  /** undefined: another process has changed the record. */
  private async forgetKey({ record, revision }: Read): Promise<KeyRecord | undefined> {
    const { subject, key, forgotten } = record;
    if (key === undefined) return record;
    const next = {
      subject,
      key: undefined,
      forgotten: [...forgotten, { id: key.id, forgetTime: new Date() }],
      replaces: revision,
    };
    return (await this.records.write(nameOf(subject), encodeRecord(next), revision)) ? next : undefined;
  }
}

function toListed({ subject, key, forgotten }: KeyRecord): ListedSubject {
  return { subject, key: key && { id: key.id, createTime: key.createTime }, forgotten };
}

/** The name of the record of a subject: names of subjects may be long, and differ in upper and lower case only. */
export function nameOf(subject: string): string {
  return createHash('sha256').update(subject).digest('hex');
}

/** Repeats an attempt until it has a result. Throws KeyError when other processes always come first. */
async function untilDone<Result>(
  subject: string,
  attempt: () => Promise<Result | undefined>,
): Promise<Result> {
  for (let attempts = 1; attempts <= changeAttemptsMax; attempts++) {
    const result = await attempt();
    if (result !== undefined) return result;
    await sleep(Math.random() * Math.min(attempts, 10));
  }
  throw new KeyError('KEY_STORE_UNAVAILABLE', `other processes change the key of ${subject} all the time`);
}
