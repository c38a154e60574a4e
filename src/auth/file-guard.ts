import type { Logger } from 'pino';
import { AuthFileError } from './auth-file-error';
import { AuthFilesReader, type AuthFiles } from './auth-files';
import { UnauthenticatedError } from './errors';
import { openGeneration, type Generation } from './generation';
import type { Guard, GuardFacts } from './guard';
import type { Credentials, Identity } from './identity';
import { defaultLimits } from '../limits';
import { opennessOf, type Openness } from './openness';
import type { JwtOptions } from './issuers';
import type { KeyTimes } from './jwks-source';
import type { Permissions } from './permissions';
import type { AuditEntry } from './schema';

export interface GuardOptions {
  /** The path of the auth file. */
  readonly file: string;
  /** The path of the authorities of client certificates, PEM; undefined: lists of revoked certificates are not verified. */
  readonly clientCaFile?: string | undefined;
  readonly log: Logger;
  readonly lookIntervalMs?: number;
  readonly keyTimes?: KeyTimes;
  /** The share of this process of what the file allows callers; default: all of it. */
  readonly callerShare?: number | undefined;
}

/** A guard by an auth file. Rejects with AuthFileError if the file, or one that it names, cannot be used. */
export async function createGuard({ file, clientCaFile, ...options }: GuardOptions): Promise<Guard> {
  const listeners = new Set<() => void>();
  const shared = {
    listeners,
    log: options.log.child({ authFile: file }),
    keyTimes: options.keyTimes ?? defaultLimits,
    callerShare: options.callerShare,
    onKeysGone: () => {
      for (const listener of listeners) listener();
    },
  };
  const reader = new AuthFilesReader(file, clientCaFile);
  const first = await openGeneration(await reader.read(), undefined, shared);
  return new FileGuard(reader, first, shared, options.lookIntervalMs ?? defaultLimits.authLookIntervalMs);
}

/** What outlives the generations. */
interface Shared extends JwtOptions {
  readonly callerShare: number | undefined;
  readonly listeners: Set<() => void>;
}

class FileGuard implements Guard {
  readonly isOn = true;
  private readonly timer: NodeJS.Timeout;
  /** Of the files that were read last, usable or not. */
  private seen: string;
  /** Why the files that were read last are not in force; empty: they are. */
  private problems: readonly string[] = [];
  private auditProblem: string | undefined;
  private looking = Promise.resolve();
  private next: Promise<void> | undefined;
  private isClosed = false;

  constructor(
    private readonly reader: AuthFilesReader,
    private current: Generation,
    private readonly shared: Shared,
    lookIntervalMs: number,
  ) {
    this.seen = current.fingerprint;
    this.timer = setInterval(() => void this.reload(), lookIntervalMs).unref();
  }

  get generation(): number {
    return this.current.number;
  }

  get audit(): AuditEntry | undefined {
    return this.current.audit;
  }

  get facts(): GuardFacts {
    const { loadedAtMs, verifiers } = this.current;
    const fetched = [...verifiers.jwts.issuers.values()].filter(({ entry }) => entry.keys.url !== undefined);
    return {
      loadedAtMs,
      isCurrent: this.problems.length === 0,
      keysFetchedAtMs: new Map(fetched.map(({ entry, keys }) => [entry.name, keys.fetchedAtMs])),
    };
  }

  reportAudit(problem: string | undefined): void {
    this.auditProblem = problem;
  }

  openness(): Openness {
    const { file, number } = this.current;
    const problems = this.auditProblem === undefined ? this.problems : [...this.problems, this.auditProblem];
    return { generation: number, problems, ...opennessOf(file, Date.now()) };
  }

  identify(credentials: Credentials): Identity | Promise<Identity> {
    const generation = this.current;
    const found = generation.identify(credentials);
    if (!(found instanceof Promise)) return found;
    return found.then((identity) => {
      if (generation !== this.current) this.check(identity);
      return identity;
    });
  }

  remembers(identity: Identity): boolean {
    return this.current.remembers(identity);
  }

  check(identity: Identity): void {
    if (identity.expiresAtMs !== undefined && Date.now() >= identity.expiresAtMs) {
      throw new UnauthenticatedError('expired', 'the credential has expired');
    }
    this.current.rolesOf(identity);
  }

  permissionsOf(identity: Identity): Permissions {
    return this.current.permissionsOf(identity);
  }

  onChange(listener: () => void): void {
    this.shared.listeners.add(listener);
  }

  reload(): Promise<void> {
    // What looks at present may have read the files before they changed.
    this.next ??= this.looking.then(() => {
      this.next = undefined;
      this.looking = this.look();
      return this.looking;
    });
    return this.next;
  }

  close(): void {
    this.isClosed = true;
    clearInterval(this.timer);
    this.current.close();
  }

  /** Never rejects: whatever goes wrong, the gateway goes on with what is in force. */
  private async look(): Promise<void> {
    if (this.isClosed) return;
    try {
      await this.lookAt(await this.reader.read());
    } catch (err) {
      const { problems } = err as Partial<AuthFileError>;
      this.problems = problems ?? [String(err)];
      const what = err instanceof AuthFileError ? { problems } : { err };
      this.shared.log.error(
        { ...what, generation: this.generation },
        'the auth file cannot be used; nothing changes',
      );
    }
  }

  /** Rejects with AuthFileError. */
  private async lookAt(files: AuthFiles): Promise<void> {
    if (files.fingerprint === this.seen) return;
    this.seen = files.fingerprint;
    if (files.fingerprint === this.current.fingerprint) {
      this.problems = [];
      this.shared.log.info({ generation: this.generation }, 'the auth file is again the one in force');
    } else this.replace(await openGeneration(files, this.current, this.shared));
  }

  private replace(next: Generation): void {
    if (this.isClosed) {
      next.close();
      return;
    }
    const previous = this.current;
    this.current = next;
    this.problems = [];
    previous.close();
    this.shared.log.info({ generation: next.number }, 'a new generation of the auth file is in force');
    for (const listener of this.shared.listeners) listener();
  }
}
