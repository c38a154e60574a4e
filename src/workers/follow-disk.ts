import type { DiskReport, Space } from '../jetstream/log/space';
import type { PrimaryLink } from './primary-link';

const intervalMs = 250;

/** Tells the primary what appends learn of the space, and has the store follow what the primary knows of the disk. */
export function followDisk(link: PrimaryLink): { into(space: Space): void; end(): void } {
  let latest: DiskReport | undefined;
  let space: Space | undefined;
  link.onMessage((message) => {
    if (message.kind !== 'disk') return;
    latest = message.report;
    space?.takeDisk(latest);
  });
  const timer = setInterval(() => {
    const report = space?.takeReport();
    if (report?.isUnanswered === true || report?.refused !== undefined) link.send({ kind: 'space', report });
  }, intervalMs).unref();
  return {
    into(opened) {
      space = opened;
      if (latest !== undefined) space.takeDisk(latest);
    },
    end() {
      clearInterval(timer);
    },
  };
}
