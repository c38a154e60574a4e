import { existsSync, readFileSync, rmSync } from 'node:fs';
import type { Profiler } from 'node:inspector';
import { join } from 'node:path';
import { until } from '../test/support/nats-server';
import { profilePath } from './profile-path';
import type { Estimate } from './ratio';

/** For `preload` of a gateway that is sampled. */
export const samplerPath = join(__dirname, 'sampler.js');

const profileTimeoutMs = 60_000;
/** Of a normal distribution, for 95 % confidence. */
const deviations = 1.96;

/**
 * The share of its time that the main thread of a gateway with the sampler spends in the functions of some files and in what they call, as
 * long as it works. The functions of a process are sampled at the same time, so that the share does not depend on how fast the machine is.
 */
export async function sampledShare(pid: number, files: RegExp, work: () => Promise<void>): Promise<Estimate> {
  process.kill(pid, 'SIGUSR2');
  await work();
  process.kill(pid, 'SIGUSR2');
  const path = profilePath(pid);
  await until(() => existsSync(path), profileTimeoutMs);
  const profile = JSON.parse(readFileSync(path, 'utf8')) as Profiler.Profile;
  rmSync(path);
  const { within, all } = countSamples(profile, files);
  const value = within / all;
  const margin = deviations * Math.sqrt((value * (1 - value)) / all);
  return { value, low: Math.max(0, value - margin), high: value + margin };
}

/** The samples in which the thread works, and those of them with a function of the files on the stack. */
function countSamples({ nodes }: Profiler.Profile, files: RegExp): { within: number; all: number } {
  const counts = { within: 0, all: 0 };
  const isWithin = new Set<number>();
  // Callers come before what they call.
  for (const { id, callFrame, hitCount = 0, children = [] } of nodes) {
    if (files.test(callFrame.url)) isWithin.add(id);
    if (isWithin.has(id)) for (const child of children) isWithin.add(child);
    if (callFrame.functionName === '(idle)' || callFrame.functionName === '(program)') continue;
    counts.all += hitCount;
    if (isWithin.has(id)) counts.within += hitCount;
  }
  return counts;
}
