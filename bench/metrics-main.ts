import { status } from '@grpc/grpc-js';
import { countCall } from '../src/grpc/counted-call';
import type { InnerCall } from '../src/grpc/inner-call';
import { RpcCounts } from '../src/grpc/rpc-counts';
import { StoreCounts } from '../src/metrics/store-counts';
import type { AppendCommand, AppendResult, EventStore } from '../src/store/event-store';
import { observed } from '../src/store/observed';
import { median } from './statistics';

/** What metrics cost each append, without anything around them: CPU time in nanoseconds, median of some rounds. */

const rounds = 9;
const appends = 400_000;
const callers = 32;
const calls = 1_000_000;

const result = { replayed: false } as AppendResult;
const command = { events: [{}], bytes: 100 } as unknown as AppendCommand;
const call = { signal: new AbortController().signal, deadlineMs: Infinity };

function nanoseconds({ user, system }: NodeJS.CpuUsage, count: number): number {
  return ((user + system) * 1_000) / count;
}

async function ofAppends(store: Pick<EventStore, 'append'>): Promise<number> {
  let left = appends;
  const caller = async (): Promise<void> => {
    while (left-- > 0) await store.append(command, call);
  };
  const begun = process.cpuUsage();
  await Promise.all(Array.from({ length: callers }, caller));
  return nanoseconds(process.cpuUsage(begun), appends);
}

class QuietCall implements Pick<InnerCall, 'sendMessage' | 'sendStatus'> {
  sendMessage(): void {
    // The cost of sending is not measured.
  }
  sendStatus(): void {
    // The same.
  }
}

function ofCalls(begin: (call: InnerCall) => void): number {
  const message = Buffer.alloc(0);
  const ok = { code: status.OK, details: '' };
  const onSent = (): void => undefined;
  const begun = process.cpuUsage();
  for (let i = 0; i < calls; i++) {
    const inner = new QuietCall() as unknown as InnerCall;
    begin(inner);
    inner.sendMessage(message, onSent);
    inner.sendStatus(ok);
  }
  return nanoseconds(process.cpuUsage(begun), calls);
}

async function main(): Promise<void> {
  const stored = Promise.resolve(result);
  const plain = { append: () => stored.then((it) => it) } as unknown as EventStore;
  const counted = observed(plain, new StoreCounts());
  const rpc = new RpcCounts('service', 'Append', 'unary');
  const costs = {
    plain: [] as number[],
    counted: [] as number[],
    calls: [] as number[],
    quiet: [] as number[],
  };
  for (let round = 0; round <= rounds; round++) {
    costs.plain.push(await ofAppends(plain));
    costs.counted.push(await ofAppends(counted));
    costs.quiet.push(ofCalls(() => undefined));
    costs.calls.push(ofCalls((inner) => void countCall(inner, rpc)));
  }
  const [before, after, quiet, all] = [costs.plain, costs.counted, costs.quiet, costs.calls].map((each) =>
    median(each.slice(1)),
  ) as [number, number, number, number];
  const line = (what: string, cost: number): string => `${what}: ${cost.toFixed(0)} ns\n`;
  process.stdout.write(line('the append of a store that is observed', after - before));
  process.stdout.write(line('a call that is counted', all - quiet));
}

void main();
