import { renameSync, writeFileSync } from 'node:fs';
import { Session } from 'node:inspector';
import { Hiding } from '../src/replica/reads/hiding';
import { profilePath } from './profile-path';

/** Loaded before main.js: SIGUSR2 begins to sample what the main thread does, and the next SIGUSR2 writes the profile. */

// A function that the compiler puts into its caller has no samples of its own. A call of a proxy stays a call.
for (const name of ['mayHide', 'countHidden'] as const)
  Reflect.set(Hiding.prototype, name, new Proxy(Reflect.get(Hiding.prototype, name) as () => unknown, {}));

const samplesEveryMicros = 100;

const session = new Session();
session.connect();
let isSampling = false;

process.on('SIGUSR2', () => {
  isSampling = !isSampling;
  if (isSampling) {
    session.post('Profiler.enable');
    session.post('Profiler.setSamplingInterval', { interval: samplesEveryMicros });
    session.post('Profiler.start');
    return;
  }
  session.post('Profiler.stop', (error, stopped) => {
    if (error !== null) throw error;
    const path = profilePath(process.pid);
    writeFileSync(`${path}.part`, JSON.stringify(stopped.profile));
    renameSync(`${path}.part`, path);
  });
});
