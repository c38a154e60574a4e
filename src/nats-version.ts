/** The oldest nats-server that Sluice works with: the first with atomic batches. */
export const natsVersionFloor = '2.12.0';

/** What the gateway fetches, and what `doctor` asks for. */
export const natsVersionRecommended = '2.15.3';

/** Why an older one should not stay. */
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
