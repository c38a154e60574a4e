import { CommitRecord } from '../generated/sluice/v1/event';
import { FirstVersions } from '../src/replica/index/first-versions';
import { clockNanos, Hiding, type HidingFiles } from '../src/replica/reads/hiding';
import { unfilteredRun } from '../src/replica/reads/unfiltered-run';
import { encodeRecord } from '../src/replica/segments/record';
import { position, sequence, version } from '../src/store/values';
import { uuidV7 } from '../src/uuid';
import { newEvents } from './events';
import { median } from './statistics';

/** The log of which a part is read, and its controls. */
export interface LoopLog {
  readonly streams: number;
  readonly commitsEach: number;
  /** The distance of two streams that have a retention. */
  readonly controlledEach: number;
  readonly retention: { readonly maxCount: number; readonly maxAgeMs: number };
  readonly nameOf: (stream: number) => string;
}

/** What the loop of a read over all streams costs for one commit, in nanoseconds. */
export interface LoopCost {
  readonly without: number;
  /** The median of the differences of turns. */
  readonly added: number;
}

const chunkBytes = 256 << 10;

/**
 * What controls cost the loop that all reads over several streams have, alone in this process: with and without them in turns, so short
 * that what else the machine does meets both. Here the compiler can join all functions of the loop, as in a gateway.
 */
export function hidingLoop(log: LoopLog, turns: number): LoopCost {
  const { streams, commitsEach, controlledEach, retention, nameOf } = log;
  const chunks = [...chunksOf(log)];
  const firstVersions = new FirstVersions();
  const rules = {
    firstVersion: version(1n),
    maxCount: BigInt(retention.maxCount),
    maxAgeNanos: BigInt(retention.maxAgeMs) * 1_000_000n,
  };
  for (let stream = 0; stream < streams; stream += controlledEach) firstVersions.set(nameOf(stream), rules);
  const files = {
    index: { rules: { firstVersions: () => firstVersions } },
    versions: { get: () => BigInt(commitsEach), growth: streams * commitsEach },
  } as unknown as HidingFiles;
  const range = { after: 0n, upTo: BigInt(streams * commitsEach) };
  const read = (hiding: Hiding | undefined): number => {
    const filter = { matches: () => true, skipsUnreadable: false, isIncomplete: false, hiding };
    const began = process.hrtime.bigint();
    let events = 0;
    for (const bytes of chunks) {
      const chunk = { bytes, isShared: true, last: 0n, next: { segment: 0, offset: 0 } };
      events += unfilteredRun(chunk, range, filter).run?.eventCount ?? 0;
    }
    if (events !== streams * commitsEach) throw new Error(`the loop has read ${events} events`);
    return Number(process.hrtime.bigint() - began) / events;
  };
  const costs = Array.from({ length: 2 * turns }, (): LoopCost => {
    const without = read(undefined);
    return { without, added: read(new Hiding(files, { nowNanos: clockNanos(), upTo: undefined })) - without };
  }).slice(turns);
  return {
    without: median(costs.map(({ without }) => without)),
    added: median(costs.map(({ added }) => added)),
  };
}

/** The records of the log, the streams in turns. */
function* chunksOf({ streams, commitsEach, nameOf }: LoopLog): Generator<Buffer, void> {
  let records: Buffer[] = [];
  let bytes = 0;
  for (let index = 0; index < streams * commitsEach; index++) {
    const [stream, number] = [nameOf(index % streams), BigInt(Math.floor(index / streams)) + 1n];
    const [event] = newEvents(1);
    const record = encodeRecord(
      {
        stream,
        firstVersion: version(number),
        lastVersion: version(number),
        sequence: sequence(BigInt(index) + 1n),
        position: position(BigInt(index) + 1n),
        timeNanos: clockNanos(),
        commitId: uuidV7(),
        inTransaction: false,
        isTorn: false,
        record: CommitRecord.encode(
          CommitRecord.fromPartial({ events: [{ ...event, stream, version: number }] }),
        ).finish(),
      },
      false,
    );
    records.push(record);
    bytes += record.length;
    if (bytes < chunkBytes && index + 1 < streams * commitsEach) continue;
    yield Buffer.concat(records);
    [records, bytes] = [[], 0];
  }
}
