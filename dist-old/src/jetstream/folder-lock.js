"use strict";
Object.defineProperty(exports, "__esModule", { value: true });
exports.FolderInUseError = void 0;
exports.lockFolder = lockFolder;
exports.processExists = processExists;
const node_crypto_1 = require("node:crypto");
const promises_1 = require("node:fs/promises");
const node_os_1 = require("node:os");
const node_path_1 = require("node:path");
const promises_2 = require("node:timers/promises");
/** Another gateway that runs uses the folder. */
class FolderInUseError extends Error {
}
exports.FolderInUseError = FolderInUseError;
const lockName = 'sluice.lock';
/** The owner touches the lock this often: across containers a pid says nothing. */
const beatMs = 1_000;
const silentMs = 5_000;
const attemptsMax = 5;
/**
 * Locks a folder with a file in it. The lock of a process that died is taken over: at once if its pid tells, else when
 * nobody touches the file for some seconds. `onLost` is called at most once. Throws FolderInUseError.
 */
async function lockFolder(folder, log, onLost) {
    const path = (0, node_path_1.join)(folder, lockName);
    const owner = { pid: process.pid, place: await pidPlace(), token: (0, node_crypto_1.randomUUID)() };
    const mine = JSON.stringify(owner);
    await acquire(folder, path, owner, mine, log);
    const held = async () => {
        try {
            return (await (0, promises_1.readFile)(path, 'utf8')) === mine;
        }
        catch (error) {
            // Only a file that is surely gone is a lost lock; too many open files, for instance, is none.
            return error.code !== 'ENOENT';
        }
    };
    const beat = async () => {
        if (await held()) {
            const now = new Date();
            await (0, promises_1.utimes)(path, now, now).catch(() => undefined);
        }
        else if (!released) {
            clearInterval(timer);
            onLost();
        }
    };
    let released = false;
    const timer = setInterval(() => void beat(), beatMs).unref();
    return {
        held,
        async release() {
            clearInterval(timer);
            released = true;
            if (await held())
                await (0, promises_1.rm)(path, { force: true });
        },
    };
}
async function acquire(folder, path, owner, mine, log) {
    for (let attempt = 0; attempt < attemptsMax; attempt++) {
        if (await create(path, mine))
            return;
        const found = await (0, promises_1.readFile)(path, 'utf8').catch(() => undefined);
        if (found === undefined)
            continue;
        if (await isAlive(path, found, owner, log))
            break;
        // Whoever else found the same dead lock must not take ours away: they look once more, as we do here.
        if ((await (0, promises_1.readFile)(path, 'utf8').catch(() => undefined)) !== found)
            continue;
        log.warn({ folder }, 'the gateway that used the data folder did not stop cleanly; taking over');
        const next = `${path}.${owner.token}`;
        await (0, promises_1.writeFile)(next, mine, { mode: 0o600 });
        await (0, promises_1.rename)(next, path);
        await (0, promises_2.setTimeout)(beatMs / 4);
        if ((await (0, promises_1.readFile)(path, 'utf8').catch(() => undefined)) === mine)
            return;
    }
    throw new FolderInUseError(`the data folder ${folder} is in use by another gateway: stop that one, or give this one a folder of its own`);
}
async function create(path, content) {
    try {
        await (0, promises_1.writeFile)(path, content, { flag: 'wx', mode: 0o600 });
        return true;
    }
    catch (error) {
        if (error.code === 'EEXIST')
            return false;
        throw error;
    }
}
/** Whether the owner of a lock runs. */
async function isAlive(path, content, us, log) {
    const { pid, place } = parseOwner(content);
    if (place === us.place && pid !== undefined && !processExists(pid))
        return false;
    log.info({ lock: path }, `the data folder is locked; watching for up to ${silentMs.toString()} ms`);
    const before = await touchedMs(path);
    for (let waitedMs = 0; waitedMs < silentMs; waitedMs += beatMs / 4) {
        await (0, promises_2.setTimeout)(beatMs / 4);
        const now = await touchedMs(path);
        if (now === undefined)
            return false;
        if (now !== before)
            return true;
    }
    return false;
}
function parseOwner(content) {
    try {
        return JSON.parse(content);
    }
    catch {
        // Half-written: only the watch can tell.
        return {};
    }
}
async function touchedMs(path) {
    return (0, promises_1.stat)(path).then(({ mtimeMs }) => mtimeMs, () => undefined);
}
function processExists(pid) {
    try {
        process.kill(pid, 0);
        return true;
    }
    catch (error) {
        return error.code === 'EPERM';
    }
}
/** The boot and the pid namespace on Linux, since containers count pids of their own; elsewhere the host. */
async function pidPlace() {
    try {
        const boot = await (0, promises_1.readFile)('/proc/sys/kernel/random/boot_id', 'utf8');
        return `${boot.trim()} ${await (0, promises_1.readlink)('/proc/self/ns/pid')}`;
    }
    catch {
        return (0, node_os_1.hostname)();
    }
}
