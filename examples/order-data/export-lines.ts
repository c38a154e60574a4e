import { createHash } from 'node:crypto';
import type { ShopAppend, ShopCommit } from './shop';

/** The lines of a file for `sluice import`, with their line feeds; docs/command-line.md describes the format. */
export function* exportLines(commits: readonly ShopCommit[]): Iterable<string> {
  const hash = createHash('sha256');
  const line = (value: object): string => {
    const text = `${JSON.stringify(value)}\n`;
    hash.update(text);
    return text;
  };
  yield line({ sluiceExport: 1, store: 'SHOP', patterns: [], upTo: commits.length.toString() });
  let events = 0;
  for (const [index, { at, appends }] of commits.entries()) {
    events += appends.reduce((sum, append) => sum + append.events.length, 0);
    const position = (index + 1).toString();
    const [only, ...others] = appends.map((append) => toJson(at, append));
    yield line(others.length === 0 ? { position, ...only } : { position, transaction: [only, ...others] });
  }
  yield `${JSON.stringify({ end: { commits: commits.length, events, sha256: hash.digest('hex') } })}\n`;
}

function toJson(at: number, { stream, firstVersion, events }: ShopAppend): object {
  return {
    commitTime: new Date(at).toISOString(),
    stream,
    firstVersion: firstVersion.toString(),
    events: events.map(({ id, type, data, correlationId, causationId, tags, metadata }) => ({
      id,
      type,
      text: JSON.stringify(data),
      contentType: 'application/json',
      correlationId,
      causationId,
      ...(tags.length > 0 && { tags }),
      metadata,
    })),
  };
}
