import { randomUUID } from 'node:crypto';
import { performance } from 'node:perf_hooks';
import { encodeIntoCompressedBase64, type Histogram } from 'hdr-histogram-js';
import { deliver } from './delivery';
import { newEvents } from './events';
import { generatedPeer } from './generated-peer';
import { correlationId, streamName, type Job, type Operation, type PeerName, type SlotReport } from './job';
import { newHistogram } from './statistics';
import type { Peer } from './peer';
import { rawPeer } from './raw-peer';
import { sessionPeer, typescriptPeer } from './typescript-peer';
import { wirePeer } from './wire-peer';

/** Those that are called from this process. */
type NodePeer = Exclude<PeerName, 'goClient' | 'generatedV7' | 'generatedV7Deadline'>;

/**
 * A load process: it makes the calls in its own process, as real clients do. clients.ts starts it with the addresses of the
 * gateway and of NATS, sends jobs, and gets reports.
 */
async function main(address: string, natsUrl: string): Promise<void> {
  const peers: Record<NodePeer, Peer> = {
    generated: generatedPeer(address),
    generatedV4: generatedPeer(address, randomUUID),
    typescript: typescriptPeer(address),
    session: sessionPeer(address),
    wire: await wirePeer(address),
    raw: await rawPeer(natsUrl),
  };
  /** Versions of the streams that this process has appended to, by peer. */
  const versions: Record<NodePeer, Map<string, number>> = {
    generated: new Map(),
    generatedV4: new Map(),
    typescript: new Map(),
    session: new Map(),
    wire: new Map(),
    raw: new Map(),
  };
  process.on('message', (job: Job & { readonly peer: NodePeer }) => {
    void run({ peer: peers[job.peer], versions: versions[job.peer] }, job).then(tell, (error: unknown) => {
      tell({ error: error instanceof Error ? error.message : String(error) });
    });
  });
  process.on('disconnect', () => process.exit());
  tell('ready');
}

function tell(message: SlotReport | { readonly error: string } | 'ready'): void {
  process.send?.(message);
}

async function run(shared: Shared, job: Job): Promise<SlotReport> {
  const { callers } = job;
  const histogram = newHistogram();
  const { operation, callsEach: appends, firstCall } = job;
  if (operation.kind === 'flood') throw new Error('a flood comes from Go');
  const startedMs = performance.timeOrigin + performance.now();
  const running = Array.from({ length: callers.to - callers.from }, (_, index) =>
    operation.kind === 'delivery'
      ? deliver(shared.peer, operation, { appends, firstCall }, histogram)
      : runCaller(shared, { ...job, operation }, callers.from + index, histogram),
  );
  await Promise.all(running);
  const endedMs = performance.timeOrigin + performance.now();
  return { histogram: encodeIntoCompressedBase64(histogram), startedMs, endedMs };
}

/** The calls of callers that make one call after the other. */
type CallOperation = Exclude<Operation, { readonly kind: 'delivery' | 'flood' }>;

/** What the calls of a process share. */
interface Shared {
  readonly peer: Peer;
  /** The versions of the streams that this process has appended to through the peer. */
  readonly versions: Map<string, number>;
}

async function runCaller(
  shared: Shared,
  { operation, callsEach, firstCall }: Job & { readonly operation: CallOperation },
  caller: number,
  histogram: Histogram,
): Promise<void> {
  for (let call = firstCall; call < firstCall + callsEach; call++) {
    const perform = prepare(shared, operation, caller, call);
    const startedMs = performance.now();
    await perform();
    histogram.recordValue(Math.max(1, Math.round((performance.now() - startedMs) * 1_000)));
  }
}

/** Work that does not belong to the call is done before it. */
function prepare(
  { peer, versions }: Shared,
  operation: CallOperation,
  caller: number,
  call: number,
): () => Promise<void> {
  switch (operation.kind) {
    case 'append': {
      const stream = streamName(operation.streams, caller, Math.floor(call / operation.callsPerStream));
      const version = versions.get(stream) ?? operation.version;
      const events = newEvents(operation.events);
      versions.set(stream, version + events.length);
      return () => peer.append(stream, events, version);
    }
    case 'multi': {
      const { width } = operation;
      const streams = Array.from({ length: width }, (_, i) => streamName(operation.streams, caller, i));
      return () => peer.appendMulti(streams, call);
    }
    case 'read': {
      const { prefix, count } = operation.streams;
      const stream = streamName(prefix, 0, (caller + call) % count);
      return async () => {
        check('events', await peer.read(stream, operation.range), operation.events);
      };
    }
    case 'version': {
      const { prefix, count } = operation.streams;
      const stream = streamName(prefix, 0, (caller + call) % count);
      return async () => {
        check('version', await peer.version(stream), operation.version);
      };
    }
    case 'correlation': {
      // A prime, so that ids are used in no order.
      const id = correlationId(((caller + call) * 7_919) % operation.ids);
      return async () => {
        check('events', await peer.correlation(id), operation.events);
      };
    }
    case 'catchUp':
      return () => peer.catchUp(operation.pattern, operation.events);
  }
}

function check(what: string, found: number, wanted: number): void {
  if (found !== wanted) throw new Error(`wrong ${what}: ${found}, not ${wanted}`);
}

const [address = '', natsUrl = ''] = process.argv.slice(2);
void main(address, natsUrl);
