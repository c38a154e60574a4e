"use strict";
Object.defineProperty(exports, "__esModule", { value: true });
exports.describeMachine = describeMachine;
const node_fs_1 = require("node:fs");
const node_os_1 = require("node:os");
const version_1 = require("../src/version");
/** What the figures depend on, as lines of Markdown. */
function describeMachine(natsVersion) {
    return [
        `Machine: ${(0, node_os_1.availableParallelism)()} cores of ${(0, node_os_1.cpus)()[0]?.model ?? 'unknown'}, ` +
            `${((0, node_os_1.totalmem)() / 2 ** 30).toFixed(0)} GiB of memory, ${(0, node_os_1.type)()} ${(0, node_os_1.release)()}; data on ${fileSystem((0, node_os_1.tmpdir)())}`,
        `Software: Sluice ${version_1.version}, nats-server ${natsVersion}, Node ${process.version.slice(1)}`,
    ];
}
/** The usual ones of Linux, by the numbers of statfs(2). */
const fileSystems = new Map([
    [0xef53, 'ext4'],
    [0x58465342, 'xfs'],
    [0x9123683e, 'btrfs'],
    [0x794c7630, 'overlayfs'],
    [0x2fc12fc1, 'zfs'],
    [0x01021994, 'tmpfs: a sync to disk costs nothing there'],
]);
function fileSystem(path) {
    const { type: number } = (0, node_fs_1.statfsSync)(path);
    return fileSystems.get(number) ?? `a file system of type 0x${number.toString(16)}`;
}
