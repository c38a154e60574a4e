import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';

/** The lines of an audit log about one commit that is stored. */
export interface AuditedCommit {
  readonly commitId: string;
  readonly streams: readonly string[];
  readonly principal: string;
  /** Lines: one for each append that ended with this commit, so that a replay has another one. */
  lines: number;
}

/** What the audit log of a gateway says in all. */
export interface Audited {
  /** By position. */
  readonly commits: ReadonlyMap<string, AuditedCommit>;
  /** Calls that were denied. */
  readonly denials: number;
  /** Lines by outcome. */
  readonly outcomes: Readonly<Record<string, number>>;
  readonly faults: readonly string[];
}

interface Line {
  readonly principal: string;
  readonly streams: readonly string[];
  readonly commit_id?: string;
  readonly position?: string;
  readonly outcome: string;
  readonly count?: number;
  readonly further_denials?: number;
  readonly dropped?: number;
}

const denials = ['UNAUTHENTICATED', 'ACCESS_DENIED', 'QUOTA_EXCEEDED'];

/** Reads the audit log of a gateway that has stopped. */
export async function readAudit(path: string): Promise<Audited> {
  const commits = new Map<string, AuditedCommit>();
  const outcomes: Record<string, number> = {};
  const faults: string[] = [];
  let denied = 0;
  for await (const text of createInterface({ input: createReadStream(path), crlfDelay: Infinity })) {
    const line = parse(text);
    if (line === undefined) faults.push(`${path} has a line that is not JSON: ${text.slice(0, 200)}`);
    else if (line.dropped !== undefined) faults.push(`${path} lacks ${line.dropped} lines`);
    else if (line.further_denials !== undefined) denied += line.further_denials;
    else {
      outcomes[line.outcome] = (outcomes[line.outcome] ?? 0) + (line.count ?? 1);
      if (denials.includes(line.outcome)) denied += line.count ?? 1;
      else if (line.outcome === 'OK') faults.push(...add(commits, line));
    }
  }
  return { commits, denials: denied, outcomes, faults };
}

function parse(text: string): Line | undefined {
  try {
    return JSON.parse(text) as Line;
  } catch {
    return undefined;
  }
}

function add(
  commits: Map<string, AuditedCommit>,
  { principal, streams, commit_id: commitId, position }: Line,
): string[] {
  if (commitId === undefined || position === undefined) return [];
  const known = commits.get(position);
  if (known === undefined) commits.set(position, { commitId, streams, principal, lines: 1 });
  else known.lines++;
  return known === undefined || known.commitId === commitId
    ? []
    : [`position ${position} is that of two commits, ${known.commitId} and ${commitId}`];
}
