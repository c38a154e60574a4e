"use strict";
Object.defineProperty(exports, "__esModule", { value: true });
exports.EmbeddedNatsError = void 0;
exports.startEmbeddedNats = startEmbeddedNats;
const node_crypto_1 = require("node:crypto");
const promises_1 = require("node:fs/promises");
const node_path_1 = require("node:path");
const promises_2 = require("node:timers/promises");
const nats_1 = require("nats");
const embedded_config_1 = require("./embedded-config");
const folder_lock_1 = require("./folder-lock");
const orphan_1 = require("./orphan");
const tied_process_1 = require("./tied-process");
/** The embedded server could not be started; the message has its own words. */
class EmbeddedNatsError extends Error {
}
exports.EmbeddedNatsError = EmbeddedNatsError;
const startTimeoutMs = 60_000;
const progressMs = 5_000;
const probeMs = 50;
const stopTimeoutMs = 10_000;
const backoffMinMs = 250;
const backoffMaxMs = 10_000;
/** After this time a server counts as having started well. */
const stableMs = 30_000;
/** Starts a server over a folder. Throws FolderInUseError, OrphanError or EmbeddedNatsError; then nothing is left running. */
async function startEmbeddedNats(options) {
    const { binary, sync, log, host = '127.0.0.1' } = options;
    await (0, promises_1.mkdir)(options.dataDir, { recursive: true, mode: 0o700 });
    // One name for one folder: the configuration's path tells whose server a process is.
    const dataDir = await (0, promises_1.realpath)(options.dataDir);
    const paths = (0, embedded_config_1.embeddedPaths)(dataDir);
    let server;
    let takenOver = () => server?.kill('SIGKILL');
    const lock = await (0, folder_lock_1.lockFolder)(dataDir, log, () => {
        takenOver();
    });
    const login = { user: 'sluice', password: (0, node_crypto_1.randomBytes)(24).toString('base64url') };
    const config = { dataDir, host, sync, ...login };
    try {
        await (0, orphan_1.endOrphan)(paths.pid, paths.config, log);
        const logStart = await (0, promises_1.stat)(paths.log).then(({ size }) => size, () => 0);
        server = await launch(binary, { ...config, port: options.port ?? -1 });
        const port = await ready(server, config, options, logStart);
        if (!(await lock.held()))
            throw new EmbeddedNatsError(`another gateway took ${dataDir} over`);
        log.info({ version: binary.version, dataDir, sync, port, natsPid: server.pid }, 'the embedded nats-server runs');
        const relaunch = () => launch(binary, { ...config, port });
        const supervised = supervise(server, relaunch, lock, log);
        takenOver = () => {
            log.fatal({ dataDir }, 'another gateway took the data folder over; its nats-server is ended here');
            supervised.abandon();
        };
        return {
            url: urlOf(host, port),
            ...login,
            version: binary.version,
            dataDir,
            pid: supervised.pid,
            close: supervised.close,
            [Symbol.asyncDispose]: supervised.close,
        };
    }
    catch (error) {
        await server?.stop(stopTimeoutMs);
        await lock.release();
        throw error;
    }
}
/** Starts the server; what an earlier one left in the run folder is gone. */
async function launch(binary, config) {
    const paths = (0, embedded_config_1.embeddedPaths)(config.dataDir);
    await (0, promises_1.rm)(paths.runDir, { recursive: true, force: true });
    await (0, promises_1.mkdir)(paths.runDir, { mode: 0o700 });
    await (0, embedded_config_1.writeEmbeddedConfig)(config);
    return (0, tied_process_1.spawnTied)(binary.path, ['-c', paths.config]);
}
/** Waits until JetStream answers, and resolves with the port. Throws EmbeddedNatsError. */
async function ready(server, config, { log, startTimeoutMs: timeoutMs = startTimeoutMs }, logStart) {
    const { log: logFile, runDir } = (0, embedded_config_1.embeddedPaths)(config.dataDir);
    const startMs = Date.now();
    let reportMs = startMs + progressMs;
    for (;;) {
        // Before the probe: one that ends right after its answer is the supervisor's.
        const { end } = server;
        const port = await readPort(runDir);
        if (port !== undefined && (await jetStreamAnswers(config, port)))
            return port;
        const waitedMs = Date.now() - startMs;
        if (end !== undefined || waitedMs > timeoutMs) {
            const what = end === undefined ? `is not ready after ${timeoutMs.toString()} ms` : `ended with ${end}`;
            const words = server.stderrTail() || (await lastComplaint(logFile, logStart));
            throw new EmbeddedNatsError(`the embedded nats-server ${what}${words === '' ? '' : `: ${words}`} (its log is ${logFile})`);
        }
        if (Date.now() > reportMs) {
            log.info({ waitedMs }, 'waiting for the embedded nats-server to recover its data');
            reportMs += progressMs;
        }
        await (0, promises_2.setTimeout)(probeMs);
    }
}
/** The port from the file that the server writes once it listens. */
async function readPort(runDir) {
    const name = (await (0, promises_1.readdir)(runDir)).find((entry) => entry.endsWith('.ports'));
    const text = name === undefined ? '' : await (0, promises_1.readFile)((0, node_path_1.join)(runDir, name), 'utf8');
    // Not complete yet, or not there.
    const port = /"nats":\["[^"]*:(\d+)"/.exec(text)?.[1];
    return port === undefined ? undefined : Number(port);
}
async function jetStreamAnswers(config, port) {
    const { host, user, password } = config;
    try {
        const connection = await (0, nats_1.connect)({
            servers: urlOf(host, port),
            user,
            pass: password,
            timeout: 2_000,
            reconnect: false,
        });
        try {
            const answer = await connection.request('$JS.API.INFO', '', { timeout: 2_000 });
            return answer.json().error === undefined;
        }
        finally {
            await connection.close();
        }
    }
    catch {
        return false;
    }
}
/** The last error in the server's log since a place in it. */
async function lastComplaint(logFile, start) {
    const file = await (0, promises_1.open)(logFile).catch(() => undefined);
    if (file === undefined)
        return '';
    try {
        const { buffer, bytesRead } = await file.read(Buffer.alloc(64 << 10), 0, 64 << 10, start);
        const lines = buffer.toString('utf8', 0, bytesRead).split('\n');
        return lines.findLast((line) => /\[(FTL|ERR)\]/.test(line))?.replace(/^.*\[(FTL|ERR)\] /, '') ?? '';
    }
    finally {
        await file.close();
    }
}
/** Starts the server again on its port whenever it ends, after a pause that doubles until one stays. */
function supervise(first, relaunch, lock, log) {
    let server = first;
    const closing = new AbortController();
    const { signal } = closing;
    const isClosing = () => signal.aborted;
    const watch = async () => {
        let backoffMs = backoffMinMs;
        while (!isClosing()) {
            const startMs = Date.now();
            const end = await server.ended;
            if (isClosing())
                return;
            if (Date.now() - startMs > stableMs)
                backoffMs = backoffMinMs;
            log.error({ end, stderr: server.stderrTail(), backoffMs }, 'the embedded nats-server ended; restarting it');
            await (0, promises_2.setTimeout)(backoffMs, undefined, { signal }).catch(() => undefined);
            backoffMs = Math.min(2 * backoffMs, backoffMaxMs);
            // A folder that is lost gets no second server: `abandon` comes with the lock's next beat.
            if (isClosing() || !(await lock.held()))
                return;
            try {
                const next = await relaunch();
                server = next;
                log.info({ natsPid: next.pid }, 'the embedded nats-server is started again');
                if (isClosing())
                    await next.stop(stopTimeoutMs);
            }
            catch (err) {
                log.error({ err }, 'the embedded nats-server could not be started again');
            }
        }
    };
    const watching = watch();
    let closed;
    const close = async () => {
        closing.abort();
        await server.stop(stopTimeoutMs);
        await watching;
        await lock.release();
    };
    return {
        pid: () => (server.end === undefined ? server.pid : undefined),
        close: () => (closed ??= close()),
        abandon() {
            closing.abort();
            server.kill('SIGKILL');
        },
    };
}
function urlOf(host, port) {
    return `nats://${host}:${port.toString()}`;
}
