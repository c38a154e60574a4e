import type { Limits } from '../limits';
import { toFurtherDenialsLine, toLine, type AuditEntry } from './audit-entry';

interface Repeated {
  readonly entry: AuditEntry;
  readonly since: Date;
  count: number;
}

/**
 * Turns denials into lines: the first of each kind at once, those that repeat it as one line with their count at the end of the
 * window. So a caller that retries for ever costs few lines.
 */
export class AuditDenials {
  private readonly repeated = new Map<string, Repeated>();
  private further = 0;
  private since = new Date();
  private timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly limits: Pick<Limits, 'auditDenialsMax' | 'auditDenialsWindowMs'>,
    private readonly write: (line: string) => void,
  ) {}

  add(entry: AuditEntry): void {
    this.timer ??= this.open();
    const key = keyOf(entry);
    const known = this.repeated.get(key);
    if (known !== undefined) known.count++;
    else if (this.repeated.size >= this.limits.auditDenialsMax) this.further++;
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
    }, this.limits.auditDenialsWindowMs);
    return timer.unref();
  }
}

/** Without the port of the peer, which is another one for each connection. */
function keyOf({ principal, peer, call, action, group, streams, outcome, limit }: AuditEntry): string {
  const address = peer.replace(/:\d+$/, '');
  return JSON.stringify([
    principal,
    address,
    call,
    action,
    group,
    streams[0],
    streams.length,
    outcome,
    limit,
  ]);
}
