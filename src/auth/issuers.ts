import { setTimeout } from 'node:timers/promises';
import type { Logger } from 'pino';
import type { PublicKeys } from './jwks';
import { FetchedKeys, fixedKeys, type KeySource, type KeyTimes } from './jwks-source';
import { JwtVerifier } from './jwt';
import type { AuthFile, IssuerEntry } from './schema';

export interface JwtOptions {
  readonly log: Logger;
  /** Called when keys of an issuer are gone: some identities may not be accepted any more. */
  readonly onKeysGone: () => void;
  readonly keyTimes: KeyTimes;
}

/**
 * The verifier of JWTs for the issuers of an auth file. Keys that the generation before has fetched are used further. At a start
 * nothing waits for an issuer; later a new URL is waited for a short time, while the generation before is in force.
 */
export async function openJwts(
  file: AuthFile,
  keysOfFiles: ReadonlyMap<IssuerEntry, PublicKeys>,
  previous: JwtVerifier | undefined,
  options: JwtOptions,
): Promise<JwtVerifier> {
  const known = new Map(
    [...(previous?.issuers.values() ?? [])].map(({ entry, keys }) => [entry.keys.url, keys]),
  );
  const opened = new Map<string, KeySource>();
  const issuers = file.issuers.map((entry) => {
    const { url } = entry.keys;
    const keys = url === undefined ? fixedKeys(keysOfFiles.get(entry) ?? new Map()) : sourceOf(url, entry);
    return { entry, keys };
  });
  if (previous !== undefined && opened.size > 0) {
    const found = Promise.all([...opened.values()].map(async (source) => source.refresh()));
    // A URL that hangs must not keep what else the file says, such as a revocation, from being in force.
    await Promise.race([found, setTimeout(options.keyTimes.issuerKeysWaitMs, undefined, { ref: false })]);
  }
  return new JwtVerifier(issuers, new Set(Object.keys(file.roles)));

  /** Two issuers may have the same URL. */
  function sourceOf(url: string, { name }: IssuerEntry): KeySource {
    const shared = known.get(url) ?? opened.get(url);
    if (shared !== undefined) {
      shared.share();
      return shared;
    }
    const { keyTimes: times, onKeysGone, log } = options;
    const source = new FetchedKeys({ url, log: log.child({ issuer: name, url }), times, onKeysGone });
    opened.set(url, source);
    return source;
  }
}
