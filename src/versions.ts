/** The oldest nats-server that Sluice works with: the first with atomic batches. */
export const natsVersionFloor = '2.12.0';

/** The nats-server that the gateway fetches and that `doctor` recommends. */
export const natsVersionRecommended = '2.15.3';

/** Why to replace an older one. */
export const natsRecommendedReason =
  'it remembers commit ids after a restore, and keeps a stream that it cannot decrypt';

/** Whether a version such as "2.15.1" or "v2.15.1-RC.1" is at least the floor; pre-releases count as released. */
export function atLeast(version: string, floor: string): boolean {
  const found = numbers(version);
  const needed = numbers(floor);
  for (let i = 0; i < 3; i++) {
    const difference = (found[i] ?? 0) - (needed[i] ?? 0);
    if (difference !== 0) return difference > 0;
  }
  return true;
}

function numbers(version: string): number[] {
  return version
    .replace(/^v/, '')
    .split(/[.-]/, 3)
    .map((part) => parseInt(part, 10) || 0);
}

/** The first release of each line of Node.js in whose HTTP/2 and TLS no bug is known that a caller can exploit. */
const patched = ['20.20.2', '22.22.2', '24.14.1'] as const;

/** The range in package.json: these lines from these releases on, and every later line. */
export const nodeVersions = patched
  .map((version, i) => (i < patched.length - 1 ? `>=${version} <${majorOf(version) + 1}` : `>=${version}`))
  .join(' || ');

/** Whether a version of Node.js such as "22.22.2" is in that range. */
export function isPatchedNode(version: string): boolean {
  const [last] = patched.slice(-1) as [string];
  const floor = patched.find((candidate) => majorOf(candidate) === majorOf(version)) ?? last;
  return atLeast(version, floor);
}

function majorOf(version: string): number {
  return parseInt(version, 10);
}
