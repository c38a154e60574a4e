import { atLeast } from './nats-version';

/** The first release of each line of Node.js whose HTTP/2 and TLS have no fault that a caller is known to be able to use. */
const patched = ['20.20.2', '22.22.2', '24.14.1'] as const;

/** What package.json asks for: these lines from there on, and every line after the last. */
export const nodeVersions = patched
  .map((version, i) => (i < patched.length - 1 ? `>=${version} <${majorOf(version) + 1}` : `>=${version}`))
  .join(' || ');

/** Whether a version of Node.js such as "22.22.2" is one of them. */
export function isPatchedNode(version: string): boolean {
  const [last] = patched.slice(-1) as [string];
  const floor = patched.find((candidate) => majorOf(candidate) === majorOf(version)) ?? last;
  return atLeast(version, floor);
}

function majorOf(version: string): number {
  return parseInt(version, 10);
}
