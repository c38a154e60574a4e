import type { NewEvent, StreamHead } from '../client/client';
import type { Context } from './command';
import { controlIdOf, type ExportedControl } from './control-format';
import type { ExportedCommit } from './export-format';
import { CliError, exitCode, LineError } from './failure';

type Call = Pick<Context, 'client' | 'deadlineMs' | 'signal'>;

/** Of the events that stand for hidden ones, so that later events get their versions. They are hidden at once. */
const placeholderType = 'sluice.placeholder';
const placeholdersTogether = 1_000n;

class OtherEventsError extends CliError {
  readonly exitCode = exitCode.conflict;
}

interface Found {
  readonly control: ExportedControl;
  readonly line: number;
  /** Whether the file has commits of the stream. */
  hasCommits: boolean;
}

/** What an import does so that streams with controls say the same as in the export. */
export class Controls {
  private readonly found = new Map<string, Found>();
  private stored = 0n;

  constructor(private readonly call: Call) {}

  /** The number of placeholders that were stored. */
  get placeholders(): bigint {
    return this.stored;
  }

  add(control: ExportedControl, line: number): void {
    this.found.set(control.stream, { control, line, hasCommits: false });
  }

  /** Before the commit is sent. */
  async beforeCommit({ appends }: ExportedCommit): Promise<void> {
    for (const { stream, firstVersion } of appends) {
      const found = this.found.get(stream);
      if (found === undefined || found.hasCommits) continue;
      found.hasCommits = true;
      await this.hide(stream, firstVersion);
    }
  }

  /** After a commit was refused as a conflict. True: its streams begin with it now. */
  async afterConflict({ appends }: ExportedCommit): Promise<boolean> {
    const before = this.stored;
    for (const { stream, firstVersion } of appends) await this.hide(stream, firstVersion);
    return this.stored > before;
  }

  /** After the last commit. */
  async afterCommits(): Promise<void> {
    for (const { control, line, hasCommits } of this.found.values()) {
      this.call.signal.throwIfAborted();
      try {
        if (hasCommits) await this.finish(control);
        else if (control.version > 0n) await this.make(control);
      } catch (error) {
        this.call.signal.throwIfAborted();
        throw new LineError(line, error);
      }
    }
  }

  /** A stream with commits in the file. */
  private async finish(control: ExportedControl): Promise<void> {
    const { stream, truncatedBefore } = control;
    const commitId = controlIdOf(control, 'truncate');
    if (truncatedBefore > 1n)
      await this.call.client.streams.truncate(stream, truncatedBefore, { ...this.options, commitId });
    await this.retainAndEnd(control, undefined);
  }

  /** A stream of which nothing could be read. */
  private async make(control: ExportedControl): Promise<void> {
    const { stream, version } = control;
    const head = await this.call.client.getVersion(stream, this.options);
    if (head.version <= version) {
      if (!(await this.isFree(stream, head)))
        throw new OtherEventsError(`stream ${stream} has other events; in the export all of them are hidden`);
      await this.hide(stream, version + 1n);
    }
    await this.retainAndEnd(control, version);
  }

  private async retainAndEnd(control: ExportedControl, expectedVersion: bigint | undefined): Promise<void> {
    const { streams } = this.call.client;
    const { stream, state, maxCount, maxAgeMs } = control;
    const options = { ...this.options, expectedVersion };
    if (state !== 'tombstoned' && (maxCount !== undefined || maxAgeMs !== undefined)) {
      const commitId = controlIdOf(control, 'retain');
      await streams.setRetention(stream, { maxCount, maxAgeMs }, { ...options, commitId });
    }
    const ending = { ...options, commitId: controlIdOf(control, 'end') };
    if (state === 'deleted') await streams.delete(stream, ending);
    if (state === 'tombstoned') await streams.tombstone(stream, ending);
  }

  /** Lets a stream begin at a version, unless it has events that an import has not made up. */
  private async hide(stream: string, beforeVersion: bigint): Promise<void> {
    const { client } = this.call;
    const head = await client.getVersion(stream, this.options);
    const isHidden = head.version === 0n || head.firstVersion > head.version;
    if (head.version >= beforeVersion || !(await this.isFree(stream, head))) return;
    if (isHidden && head.version === beforeVersion - 1n) return;
    for (let version = head.version; version < beforeVersion - 1n;) {
      const left = beforeVersion - 1n - version;
      const count = left < placeholdersTogether ? left : placeholdersTogether;
      const events = Array.from({ length: Number(count) }, (): NewEvent => ({ type: placeholderType }));
      await client.append(stream, events, { ...this.options, expectedVersion: version });
      version += count;
      this.stored += count;
      await client.streams.truncate(stream, version + 1n, this.options);
    }
    await client.streams.truncate(stream, beforeVersion, this.options);
  }

  /** Whether nothing can be read of a stream, except placeholders of an import that was interrupted. */
  private async isFree(stream: string, { version, firstVersion }: StreamHead): Promise<boolean> {
    if (firstVersion > version) return true;
    const last = this.call.client.readStream(stream, { direction: 'backward', maxCount: 1, ...this.options });
    for await (const { type } of last) return type === placeholderType;
    return true;
  }

  private get options(): Pick<Call, 'deadlineMs' | 'signal'> {
    const { deadlineMs, signal } = this.call;
    return { deadlineMs, signal };
  }
}
