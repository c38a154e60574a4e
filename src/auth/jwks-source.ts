import type { Logger } from 'pino';
import { defaultLimits, type Limits } from '../limits';
import { KeysError, parseKeys, type PublicKeys } from './jwks';

/** The keys of an issuer. */
export interface KeySource {
  /** The keys; undefined: they are not available. */
  keys(): PublicKeys | undefined;
  /** Looks whether there are newer keys. Settles when that is known, and never rejects; undefined: it is too early to look again. */
  refresh(): Promise<void> | undefined;
  /** Another generation uses the source as well, and closes it once. */
  share(): void;
  close(): void;
  /** When the keys in use were fetched, in milliseconds since 1970; undefined: there are no keys, or they are those of a file. */
  readonly fetchedAtMs: number | undefined;
}

/** The keys of a file: each content of the file has its own generation. */
export function fixedKeys(keys: PublicKeys): KeySource {
  const nothing = (): undefined => undefined;
  return { keys: () => keys, refresh: nothing, share: nothing, close: nothing, fetchedAtMs: undefined };
}

/** How often and how long keys are requested and used. */
export type KeyTimes = Pick<
  Limits,
  | 'issuerKeysIntervalMs'
  | 'issuerKeysRetryMs'
  | 'issuerKeysTimeoutMs'
  | 'issuerKeysKeptMs'
  | 'issuerKeysWaitMs'
>;

export interface FetchedKeysOptions {
  readonly url: string;
  readonly log: Logger;
  readonly times: KeyTimes;
  /** Called when keys are gone: tokens that were verified with them are not accepted any more. */
  readonly onKeysGone: () => void;
}

/** Requests the keys at once and then in the background. While the issuer is not available, the last good keys are used. */
export class FetchedKeys implements KeySource {
  private latest: { readonly keys: PublicKeys; readonly atMs: number; readonly wallMs: number } | undefined;
  private fetching: Promise<void> | undefined;
  private begunMs = -Infinity;
  private timer: NodeJS.Timeout | undefined;
  private readonly closing = new AbortController();
  private users = 1;

  constructor(private readonly options: FetchedKeysOptions) {
    void this.refresh();
  }

  keys(): PublicKeys | undefined {
    if (
      this.latest !== undefined &&
      performance.now() - this.latest.atMs > this.options.times.issuerKeysKeptMs
    ) {
      this.latest = undefined;
      this.options.log.error('the keys of the issuer are too old to be used');
      // Later, since this may be asked while open calls are looked at.
      queueMicrotask(this.options.onKeysGone);
    }
    return this.latest?.keys;
  }

  get fetchedAtMs(): number | undefined {
    return this.keys() === undefined ? undefined : this.latest?.wallMs;
  }

  refresh(): Promise<void> | undefined {
    if (this.fetching !== undefined) return this.fetching;
    const isEarly = performance.now() - this.begunMs < this.options.times.issuerKeysRetryMs;
    if (isEarly || this.closing.signal.aborted) return undefined;
    this.begunMs = performance.now();
    clearTimeout(this.timer);
    this.fetching = this.fetch().then((isGood) => {
      this.fetching = undefined;
      const { issuerKeysIntervalMs, issuerKeysRetryMs } = this.options.times;
      this.timer = setTimeout(
        () => void this.refresh(),
        isGood ? issuerKeysIntervalMs : issuerKeysRetryMs,
      ).unref();
    });
    return this.fetching;
  }

  share(): void {
    this.users++;
  }

  close(): void {
    this.users--;
    if (this.users > 0) return;
    this.closing.abort();
    clearTimeout(this.timer);
  }

  private async fetch(): Promise<boolean> {
    const { url, log, times } = this.options;
    try {
      const signal = AbortSignal.any([this.closing.signal, AbortSignal.timeout(times.issuerKeysTimeoutMs)]);
      this.replace(parseKeys(await fetchBounded(url, signal)));
      return true;
    } catch (err) {
      if (!this.closing.signal.aborted) {
        log.warn(
          { err, haveKeys: this.keys() !== undefined },
          'the keys of the issuer cannot be fetched; the last good keys stay in use',
        );
      }
      return false;
    }
  }

  private replace(keys: PublicKeys): void {
    const before = this.latest?.keys ?? new Map<string, unknown>();
    this.latest = { keys, atMs: performance.now(), wallMs: Date.now() };
    const isNew = [...keys.keys()].some((id) => !before.has(id));
    const isGone = [...before.keys()].some((id) => !keys.has(id));
    if (isNew || isGone) {
      this.options.log.info({ kids: [...keys.values()].map(({ kid }) => kid) }, 'the issuer has new keys');
    }
    if (isGone) this.options.onKeysGone();
  }
}

/** A redirect is an error: it could lead to where the auth file does not permit. */
async function fetchBounded(url: string, signal: AbortSignal): Promise<Uint8Array> {
  const headers = { accept: 'application/jwk-set+json, application/json' };
  const response = await fetch(url, { redirect: 'manual', headers, signal });
  if (response.status !== 200) {
    await response.body?.cancel();
    throw new KeysError(`the response has the status ${response.status.toString()}`);
  }
  const { issuerKeysBytesMax: bytesMax } = defaultLimits;
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of (response.body ?? []) as AsyncIterable<Uint8Array>) {
    chunks.push(chunk);
    bytes += chunk.length;
    // Leaving the loop cancels the rest.
    if (bytes > bytesMax) throw new KeysError(`the response has more than ${bytesMax.toString()} bytes`);
  }
  return Buffer.concat(chunks);
}
