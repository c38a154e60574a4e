"use strict";
Object.defineProperty(exports, "__esModule", { value: true });
exports.OrphanError = void 0;
exports.endOrphan = endOrphan;
const node_child_process_1 = require("node:child_process");
const promises_1 = require("node:fs/promises");
const promises_2 = require("node:timers/promises");
const node_util_1 = require("node:util");
/** A nats-server that a killed gateway left behind runs on the data folder and cannot be ended. */
class OrphanError extends Error {
}
exports.OrphanError = OrphanError;
const patienceMs = 10_000;
const probeMs = 50;
/**
 * Ends the nats-server that a pid file names, if it is provably the one of this configuration file: pids are used again,
 * and another process must not be hit. Does nothing if there is none. Throws OrphanError.
 */
async function endOrphan(pidFile, configFile, log) {
    const text = await (0, promises_1.readFile)(pidFile, 'utf8').catch(() => '');
    const pid = Number(text.trim());
    if (!Number.isSafeInteger(pid) || pid <= 1)
        return;
    for (const signal of ['SIGTERM', 'SIGKILL']) {
        if (!(await runsConfig(pid, configFile)))
            return;
        log.warn({ pid, signal }, 'ending the nats-server that a killed gateway left behind');
        send(pid, signal);
        const giveUpMs = Date.now() + patienceMs;
        while (Date.now() < giveUpMs && (await runsConfig(pid, configFile)))
            await (0, promises_2.setTimeout)(probeMs);
    }
    if (!(await runsConfig(pid, configFile)))
        return;
    throw new OrphanError(`nats-server with pid ${pid.toString()}, which a killed gateway left behind, still runs on ${configFile} ` +
        'and could not be ended: end it, then start again');
}
function send(pid, signal) {
    try {
        process.kill(pid, signal);
    }
    catch {
        // Gone by itself, or another user's: whether it still runs decides.
    }
}
/** Whether a process is a nats-server that was started with exactly this configuration file. False once it is dead. */
async function runsConfig(pid, configFile) {
    if (process.platform === 'linux') {
        const line = await (0, promises_1.readFile)(`/proc/${pid.toString()}/cmdline`, 'utf8').catch(() => '');
        const [, ...args] = line.split('\0');
        return args.join('\0') === `-c\0${configFile}\0`;
    }
    const ps = await (0, node_util_1.promisify)(node_child_process_1.execFile)('ps', ['-ww', '-p', pid.toString(), '-o', 'args=']).catch(() => undefined);
    return ps?.stdout.trim().endsWith(` -c ${configFile}`) ?? false;
}
