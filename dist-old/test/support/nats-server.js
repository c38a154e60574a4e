"use strict";
Object.defineProperty(exports, "__esModule", { value: true });
exports.startNats = startNats;
exports.startCluster = startCluster;
exports.freePorts = freePorts;
exports.until = until;
const node_events_1 = require("node:events");
const node_fs_1 = require("node:fs");
const node_net_1 = require("node:net");
const node_os_1 = require("node:os");
const node_path_1 = require("node:path");
const promises_1 = require("node:timers/promises");
const tied_process_1 = require("../../src/jetstream/tied-process");
const tools_1 = require("./tools");
const startTimeoutMs = 30_000;
const settleTimeoutMs = 60_000;
const stopTimeoutMs = 10_000;
/** Another process may take a free port before the server does. */
const startAttempts = 3;
/** Starts a server; resolves when JetStream answers. */
function startNats(options = {}) {
    return attempt(async () => {
        const [port, monitorPort] = await freePorts(2);
        const node = createNode({ port: options.port ?? port, monitorPort, cluster: '', options });
        return startAll([node], () => node);
    });
}
/** Starts servers that know each other; resolves when they are settled. */
function startCluster(size = 3, options = {}) {
    return attempt(async () => {
        const ports = await freePorts(3 * size);
        const routePorts = ports.slice(2 * size);
        const routes = routePorts.map((port) => `"nats-route://127.0.0.1:${port.toString()}"`).join(', ');
        const nodes = routePorts.map((routePort, i) => {
            const listen = `127.0.0.1:${routePort.toString()}`;
            const cluster = `cluster { name: test, listen: "${listen}", routes: [${routes}], no_advertise: true }`;
            return createNode({ port: ports[i], monitorPort: ports[size + i], cluster, options });
        });
        const settled = () => until(() => isSettled(nodes), settleTimeoutMs);
        return startAll(nodes, async () => {
            await settled();
            return {
                nodes,
                urls: nodes.map(({ url }) => url),
                settled,
                async [Symbol.asyncDispose]() {
                    await disposeAll(nodes);
                },
            };
        });
    });
}
async function attempt(start) {
    for (let left = startAttempts;; left--) {
        try {
            return await start();
        }
        catch (error) {
            if (left === 1 || !/address already in use/.test(String(error)))
                throw error;
        }
    }
}
async function startAll(nodes, then) {
    const outcomes = await Promise.allSettled(nodes.map((node) => node.start()));
    try {
        for (const outcome of outcomes)
            if (outcome.status === 'rejected')
                throw outcome.reason;
        return await then();
    }
    catch (error) {
        await disposeAll(nodes);
        throw error;
    }
}
async function disposeAll(nodes) {
    await Promise.all(nodes.map((node) => node[Symbol.asyncDispose]()));
}
/** Whether all nodes are healthy and the leader sees all others current. */
async function isSettled(nodes) {
    const healthy = await Promise.all(nodes.map(isHealthy));
    if (healthy.includes(false))
        return false;
    const answers = await Promise.all(nodes.map((node) => node.monitor('/jsz').catch(() => undefined)));
    return answers.some((answer) => {
        // Only the leader tells of replicas.
        const meta = answer?.['meta_cluster'];
        const others = meta?.replicas ?? [];
        return (others.length === nodes.length - 1 && others.every((peer) => peer.current && peer.offline !== true));
    });
}
function createNode({ port = 0, monitorPort = 0, cluster, options }) {
    const dataDir = (0, node_fs_1.mkdtempSync)((0, node_path_1.join)((0, node_os_1.tmpdir)(), 'sluice-nats-'));
    const config = (0, node_path_1.join)(dataDir, 'nats.conf');
    const logFile = (0, node_path_1.join)(dataDir, 'nats.log');
    const url = `nats://127.0.0.1:${port.toString()}`;
    const lines = [
        `server_name: "n${port.toString()}"`,
        `listen: "127.0.0.1:${port.toString()}"`,
        `http: "127.0.0.1:${monitorPort.toString()}"`,
        `jetstream { store_dir: "${dataDir}", sync_interval: ${options.sync === 'always' ? 'always' : '"2m"'} }`,
        `max_payload: ${(options.maxPayloadBytes ?? 1 << 20).toString()}`,
        `log_file: "${logFile}"`,
        cluster,
        options.extraConfig ?? '',
    ];
    (0, node_fs_1.writeFileSync)(config, lines.join('\n') + '\n');
    let server;
    const end = async (signal) => {
        // A paused server takes no other signal.
        server?.kill('SIGCONT');
        if (signal === 'SIGKILL')
            server?.kill(signal);
        await server?.stop(stopTimeoutMs);
    };
    const node = {
        url,
        port,
        dataDir,
        get pid() {
            return server?.end === undefined ? server?.pid : undefined;
        },
        pause() {
            server?.kill('SIGSTOP');
        },
        resume() {
            server?.kill('SIGCONT');
        },
        kill: () => end('SIGKILL'),
        stop: () => end('SIGTERM'),
        async start() {
            if (node.pid !== undefined)
                throw new Error(`nats-server at ${url} runs already`);
            const starting = (0, tied_process_1.spawnTied)((0, tools_1.natsServerPath)(), ['-c', config]);
            server = starting;
            await until(async () => {
                const { end: how } = starting;
                if (how !== undefined)
                    throw new Error(`nats-server ended with ${how}: ${logTail(starting, logFile)}`);
                // In a cluster JetStream answers only when most nodes are there.
                return cluster === '' ? isHealthy(node) : isListening(node);
            }, startTimeoutMs);
        },
        async restart() {
            await node.stop();
            await node.start();
        },
        async monitor(path) {
            const signal = AbortSignal.timeout(5_000);
            const response = await fetch(`http://127.0.0.1:${monitorPort.toString()}${path}`, { signal });
            return (await response.json());
        },
        async [Symbol.asyncDispose]() {
            await end('SIGKILL');
            (0, node_fs_1.rmSync)(dataDir, { recursive: true, force: true });
        },
    };
    return node;
}
async function isListening(node) {
    return node.monitor('/varz').then(() => true, () => false);
}
/** Whether clients and JetStream are served, whatever login the server asks for. */
async function isHealthy(node) {
    const answer = await node.monitor('/healthz').catch(() => undefined);
    return answer?.['status'] === 'ok';
}
function logTail(server, logFile) {
    try {
        return server.stderrTail() || (0, node_fs_1.readFileSync)(logFile, 'utf8').slice(-2_000);
    }
    catch {
        return '';
    }
}
/** Ports of loopback that nobody listens on, all different. */
async function freePorts(count) {
    const servers = Array.from({ length: count }, () => (0, node_net_1.createServer)().listen(0, '127.0.0.1'));
    await Promise.all(servers.map((server) => (0, node_events_1.once)(server, 'listening')));
    const ports = servers.map((server) => server.address().port);
    await Promise.all(servers.map((server) => (0, node_events_1.once)(server.close(), 'close')));
    return ports;
}
/** Waits until something holds; fails after a time, or at once if it throws. */
async function until(holds, timeoutMs = 10_000) {
    const giveUpMs = Date.now() + timeoutMs;
    while (!(await holds())) {
        if (Date.now() > giveUpMs)
            throw new Error(`did not come true in ${timeoutMs.toString()} ms: ${holds.toString()}`);
        await (0, promises_1.setTimeout)(20);
    }
}
