import { subjectBytesMax } from './key-limits';

/** A key of a data subject. */
export interface DataKey {
  /** A UUID, which is in the metadata of each event that is encrypted by the key. */
  readonly id: string;
  /** 32 random bytes. */
  readonly bytes: Uint8Array;
  readonly createTime: Date;
}

/** A key that was destroyed. */
export interface ForgottenKey {
  readonly id: string;
  readonly forgetTime: Date;
}

/** What a key store knows about a data subject. */
export interface SubjectKeys {
  readonly subject: string;
  /** undefined: the subject is forgotten. */
  readonly key: DataKey | undefined;
  /** Earlier keys, oldest first. */
  readonly forgotten: readonly ForgottenKey[];
}

/** A subject without its key. */
export interface ListedSubject extends Omit<SubjectKeys, 'key'> {
  readonly key: Omit<DataKey, 'bytes'> | undefined;
}

export interface GetKeyOptions {
  /** True: as the store has it now. Otherwise the result may be up to 10 seconds old. */
  readonly fresh?: boolean | undefined;
}

/**
 * Where the keys of data subjects are: one key for each subject. All methods fail with KeyError. `openKeyFolder` and `openKeyBucket` open
 * one; an implementation for a key management service has the same promises.
 */
export interface KeyStore extends AsyncDisposable {
  /**
   * The key of a subject; a new one if it has no key yet, or if the last one was forgotten. It is never older than the call, and two callers
   * always get the same key, also in different processes.
   */
  create(subject: string): Promise<DataKey>;
  /** undefined: the store has never had a key of this subject. */
  get(subject: string, options?: GetKeyOptions): Promise<SubjectKeys | undefined>;
  /**
   * Destroys the key of a subject for good. It remains known as forgotten. undefined: the store has never had a key of this subject. Can
   * be repeated, and must be repeated after an error. Needs no master key.
   */
  forget(subject: string): Promise<ListedSubject | undefined>;
  /** What the store knows about a subject now, without its key; undefined: it has never had one. Needs no master key. */
  describe(subject: string): Promise<ListedSubject | undefined>;
  /** All subjects, also forgotten ones, in no particular order. Needs no master key. */
  list(): AsyncIterable<ListedSubject>;
  close(): Promise<void>;
}

const form = /^[\x21-\x7e]+$/;

/** Throws a TypeError for a name of a data subject that is not 1 to 128 visible ASCII characters. */
export function checkSubject(subject: unknown): asserts subject is string {
  if (typeof subject !== 'string')
    throw new TypeError(`a data subject must be a string, not ${typeof subject}`);
  if (!form.test(subject) || subject.length > subjectBytesMax)
    throw new TypeError(
      `a data subject must be 1 to ${subjectBytesMax} visible ASCII characters without spaces; found ${JSON.stringify(subject.slice(0, 200))}`,
    );
}
