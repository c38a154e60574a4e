"use strict";
Object.defineProperty(exports, "__esModule", { value: true });
exports.embeddedPaths = embeddedPaths;
exports.writeEmbeddedConfig = writeEmbeddedConfig;
const promises_1 = require("node:fs/promises");
const node_path_1 = require("node:path");
/** Where things are in the data folder. The events are in `jetstream`, a name that nats-server gives. */
function embeddedPaths(dataDir) {
    const runDir = (0, node_path_1.join)(dataDir, 'run');
    return {
        config: (0, node_path_1.join)(dataDir, 'nats.conf'),
        log: (0, node_path_1.join)(dataDir, 'nats.log'),
        /** What the running server says of itself; empty when none runs. */
        runDir,
        pid: (0, node_path_1.join)(runDir, 'nats-server.pid'),
    };
}
/** Writes the configuration file, which only this user can read: it holds the password. */
async function writeEmbeddedConfig(config) {
    const paths = embeddedPaths(config.dataDir);
    const lines = [
        '# Written by Sluice at every start: changes here are lost.',
        'server_name: "sluice"',
        `listen: "${config.host}:${config.port.toString()}"`,
        'max_payload: 8MB',
        `authorization { user: ${quoted(config.user)}, password: ${quoted(config.password)} }`,
        'jetstream {',
        `  store_dir: ${quoted(config.dataDir)}`,
        `  max_file_store: ${(await storageBytesMax(config.dataDir)).toString()}`,
        `  sync_interval: ${config.sync === 'always' ? 'always' : '"2m"'}`,
        '}',
        `pid_file: ${quoted(paths.pid)}`,
        `ports_file_dir: ${quoted(paths.runDir)}`,
        `log_file: ${quoted(paths.log)}`,
        'logfile_size_limit: 16MB',
        'logfile_max_num: 4',
    ];
    const next = `${paths.config}.next`;
    await (0, promises_1.writeFile)(next, lines.join('\n') + '\n', { mode: 0o600 });
    await (0, promises_1.rename)(next, paths.config);
}
/**
 * Three quarters of what the store has and could have, nats-server's own rule. Older servers forget what the store has
 * already: they would refuse appends after a restart with the disk less than half full.
 */
async function storageBytesMax(dataDir) {
    const { bavail, bsize } = await (0, promises_1.statfs)(dataDir);
    const entries = await (0, promises_1.readdir)((0, node_path_1.join)(dataDir, 'jetstream'), { recursive: true }).catch(() => []);
    let own = 0;
    for (const entry of entries) {
        own += await (0, promises_1.stat)((0, node_path_1.join)(dataDir, 'jetstream', entry)).then(({ blocks }) => blocks * 512, () => 0);
    }
    return Math.floor((bavail * bsize + own) * 0.75);
}
/** A string of the configuration language, whose escapes are JSON's. */
function quoted(text) {
    return JSON.stringify(text);
}
