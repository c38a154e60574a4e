import { toFurtherDenialsLine, toLine, type AuditEntry } from './audit-entry';

/** Over how long repeated denials are counted together. */
const windowMs = 10_000;
/** How many different denials are told apart in that time. */
const differentMax = 1_000;

interface Repeated {
  readonly entry: AuditEntry;
  readonly since: Date;
  count: number;
}

/**
 * Turns denials into lines: the first of each kind at once, those that repeat it as one line with their count at the end of the
 * window. A caller that retries for ever thus costs a line in ten seconds.
 */
export class AuditDenials {
  private readonly repeated = new Map<string, Repeated>();
  private further = 0;
  private since = new Date();
  private timer: NodeJS.Timeout | undefined;

  constructor(private readonly write: (line: string) => void) {}

  add(entry: AuditEntry): void {
    this.timer ??= this.open();
    const key = keyOf(entry);
    const known = this.repeated.get(key);
    if (known !== undefined) known.count++;
    else if (this.repeated.size >= differentMax) this.further++;
    else {
      this.repeated.set(key, { entry, since: new Date(), count: 0 });
      this.write(toLine(entry));
    }
  }

  /** Writes what is counted, and begins from the start. */
  flush(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    for (const { entry, since, count } of this.repeated.values()) {
      if (count > 0) this.write(toLine(entry, { count, since: since.toISOString() }));
    }
    if (this.further > 0) this.write(toFurtherDenialsLine(this.further, this.since));
    this.repeated.clear();
    this.further = 0;
  }

  private open(): NodeJS.Timeout {
    this.since = new Date();
    const timer = setTimeout(() => {
      this.flush();
    }, windowMs);
    return timer.unref();
  }
}

/** Without the port of the peer, which is another one for each connection. */
function keyOf({ principal, peer, call, action, streams, outcome, limit }: AuditEntry): string {
  const address = peer.slice(0, Math.max(0, peer.lastIndexOf(':')));
  return JSON.stringify([principal, address, call, action, streams[0], streams.length, outcome, limit]);
}
