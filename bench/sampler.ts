import { renameSync, writeFileSync } from 'node:fs';
import { Session } from 'node:inspector';
import { profilePath } from './profile-path';

/** Loaded before main.js: SIGUSR2 begins to sample what the main thread does, and the next SIGUSR2 writes the profile. */

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
