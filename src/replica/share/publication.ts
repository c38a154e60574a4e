import { setTimeout as sleep } from 'node:timers/promises';
import type { Limits } from '../../limits';
import type { ReplicaReaders } from '../apply/open-files';
import type { Opened, Replicator } from '../apply/replicator';
import type { FromReader, ReaderLink, SharedFiles, SharedProgress, SharedStatus, ToReader } from './messages';

/** How often readers learn what no event reports. */
const statusIntervalMs = 250;
/** A reader that has not closed the files by then is ended: it would read what is not there any more. */
const closeTimeoutMs = 10_000;

/** Lets other processes read the replica that this process writes. */
export class Publication implements ReplicaReaders {
  private readonly readers = new Set<Reader>();
  private replicator: Replicator | undefined;
  private shown: Opened | undefined;
  private generation = 0;
  private isScheduled = false;
  private timer: NodeJS.Timeout | undefined;

  constructor(private readonly limits: Limits) {}

  /** Begins to tell the readers of a replica. */
  begin(replicator: Replicator): void {
    this.replicator = replicator;
    replicator.readiness.onChange(() => {
      this.advanced();
      this.sendStatus();
    });
    this.timer = setInterval(() => {
      this.sendStatus();
    }, statusIntervalMs).unref();
  }

  get areAwaiting(): boolean {
    for (const { hasSubscribers } of this.readers) if (hasSubscribers) return true;
    return false;
  }

  /** A process begins to read. */
  add(link: ReaderLink): void {
    const reader = new Reader(link);
    this.readers.add(reader);
    link.onMessage((message) => {
      this.receive(reader, message);
    });
    link.onEnd(() => {
      this.readers.delete(reader);
      reader.closed();
      // Only once the process is gone.
      this.shown?.files.index.releaseDeadReaders();
    });
    if (this.shown !== undefined) reader.open(this.filesOf(this.shown));
    this.sendStatus();
    this.advanced();
  }

  advanced(): void {
    if (this.isScheduled || this.readers.size === 0) return;
    this.isScheduled = true;
    // What arrives in one turn of the event loop makes one message.
    setImmediate(() => {
      this.isScheduled = false;
      this.show();
    });
  }

  down(message: string): void {
    for (const { link } of this.readers) link.send({ kind: 'down', message });
  }

  async closing(): Promise<void> {
    this.shown = undefined;
    const closing = Promise.all(Array.from(this.readers, (reader) => reader.close()));
    const timeout = new AbortController();
    const timedOut = sleep(closeTimeoutMs, true, { signal: timeout.signal }).catch(() => false);
    if ((await Promise.race([closing, timedOut])) === true)
      for (const reader of this.readers) if (reader.isOpen) reader.link.kill();
    timeout.abort();
    await closing;
  }

  close(): void {
    clearInterval(this.timer);
  }

  private show(): void {
    const opened = this.replicator?.opened;
    if (opened === undefined) return;
    if (this.shown === opened) {
      const progress = progressOf(opened);
      for (const { link } of this.readers) link.send({ kind: 'advanced', progress });
      return;
    }
    this.shown = opened;
    this.generation++;
    for (const reader of this.readers) reader.open(this.filesOf(opened));
    this.sendStatus();
  }

  private filesOf(opened: Opened): SharedFiles {
    const { continuity, comparer } = this.replicator as Replicator;
    const { resets } = continuity.snapshot();
    const { generation } = this;
    const { lostAtRebuild } = comparer;
    return { generation, identity: opened.identity, resets, lostAtRebuild, progress: progressOf(opened) };
  }

  private sendStatus(): void {
    if (this.replicator === undefined || this.readers.size === 0) return;
    const status = statusOf(this.replicator);
    const text = JSON.stringify(status, (_, value: unknown) =>
      typeof value === 'bigint' ? value.toString() : value,
    );
    for (const reader of this.readers) reader.sendStatus(status, text);
  }

  private receive(reader: Reader, message: FromReader): void {
    const { replicator } = this;
    switch (message.kind) {
      case 'closed':
        reader.closed();
        return;
      case 'subscribers':
        reader.hasSubscribers = message.areThere;
        return;
      case 'awaiting':
        this.awaitApplied(message.sequence);
        return;
      case 'otherLog':
        if (message.generation !== this.generation || replicator === undefined) return;
        replicator.comparer.lostAtRebuild = message.lostAtRebuild;
        replicator.onOtherLog(message.mismatch);
        return;
      case 'damaged':
        if (message.generation === this.generation) replicator?.rebuild(new Error(message.message));
    }
  }

  /** The replica advances at once, or fails; all readers learn that. */
  private awaitApplied(sequence: bigint): void {
    const { signal } = new AbortController();
    const { readProgressTimeoutMs: timeoutMs } = this.limits;
    const waiting = this.replicator?.opened?.applier.waitUntilApplied(sequence, signal, timeoutMs);
    waiting?.catch(() => undefined);
  }
}

/** A process that reads the replica, as the one that writes it knows it. */
class Reader {
  hasSubscribers = false;
  isOpen = false;
  private statusText: string | undefined;
  private onClosed: (() => void) | undefined;

  constructor(readonly link: ReaderLink) {}

  open(files: SharedFiles): void {
    this.isOpen = true;
    this.link.send({ kind: 'files', files });
  }

  sendStatus(status: SharedStatus, text: string): void {
    if (this.statusText === text) return;
    this.statusText = text;
    this.link.send({ kind: 'status', status } satisfies ToReader);
  }

  close(): Promise<void> {
    if (!this.isOpen) return Promise.resolve();
    return new Promise((resolve) => {
      this.onClosed = resolve;
      this.link.send({ kind: 'closing' });
    });
  }

  closed(): void {
    this.isOpen = false;
    this.onClosed?.();
    this.onClosed = undefined;
  }
}

function progressOf({ applier }: Opened): SharedProgress {
  const { applied, last, lost, written, eventsReceived } = applier;
  return { applied, last, lost, segments: written, eventsReceived };
}

function statusOf(replicator: Replicator): SharedStatus {
  const { readiness, followFailure, progress, isRefused } = replicator;
  return {
    isFilled: readiness.isFilled,
    isWritable: readiness.isWritable,
    isFailing: replicator.opened?.applier.isFailing === true,
    refusal: isRefused ? replicator.fillingError().message : undefined,
    troubleNow: followFailure.current,
    troubleLately: followFailure.recent,
    filling: progress,
  };
}
