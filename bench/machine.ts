import { statfsSync } from 'node:fs';
import { availableParallelism, cpus, release, tmpdir, totalmem, type } from 'node:os';
import { version } from '../src/version';

/** The environment that the figures depend on, as lines of Markdown. */
export function describeMachine(natsVersion: string): string[] {
  return [
    `Machine: ${availableParallelism()} cores of ${cpus()[0]?.model ?? 'unknown'}, ` +
      `${(totalmem() / 2 ** 30).toFixed(0)} GiB of memory, ${type()} ${release()}; data on ${fileSystem(tmpdir())}`,
    `Software: Sluice ${version}, nats-server ${natsVersion}, Node ${process.version.slice(1)}`,
  ];
}

/** The usual file systems of Linux, by their numbers in statfs(2). */
const fileSystems = new Map([
  [0xef53, 'ext4'],
  [0x58465342, 'xfs'],
  [0x9123683e, 'btrfs'],
  [0x794c7630, 'overlayfs'],
  [0x2fc12fc1, 'zfs'],
  [0x01021994, 'tmpfs: a sync to disk costs nothing there'],
]);

function fileSystem(path: string): string {
  const { type: number } = statfsSync(path);
  return fileSystems.get(number) ?? `a file system of type 0x${number.toString(16)}`;
}
