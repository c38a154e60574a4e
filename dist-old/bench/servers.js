"use strict";
Object.defineProperty(exports, "__esModule", { value: true });
exports.durability = void 0;
exports.startBenchNats = startBenchNats;
exports.startBenchGateway = startBenchGateway;
exports.startBareServer = startBareServer;
const node_fs_1 = require("node:fs");
const node_path_1 = require("node:path");
const nats_1 = require("nats");
const link_1 = require("../src/jetstream/link");
const open_stream_1 = require("../src/jetstream/open-stream");
const tied_process_1 = require("../src/jetstream/tied-process");
const limits_1 = require("../src/limits");
const nats_server_1 = require("../test/support/nats-server");
const rpc_client_1 = require("../test/support/rpc-client");
const raw_peer_1 = require("./raw-peer");
exports.durability = {
    interval: 'fsync at intervals (nats-server `sync_interval: 2m`)',
    always: 'fsync on every write (nats-server `sync_interval: always`)',
};
/** Those of `npm start`. */
const nodeFlags = ['--max-semi-space-size=4'];
const startTimeoutMs = 30_000;
const stopTimeoutMs = 15_000;
const indexTimeoutMs = 600_000;
/** The index writer leaves a shorter tail to the queries. */
const indexLagMax = 64n;
/** A server with the JetStream stream that the raw peer appends to. */
async function startBenchNats(sync) {
    const nats = await (0, nats_server_1.startNats)({ sync });
    try {
        const link = (0, link_1.createLink)(await (0, nats_1.connect)({ servers: nats.url }));
        await (0, open_stream_1.openStream)(link, (0, open_stream_1.logConfig)(raw_peer_1.rawStore, limits_1.defaultLimits), startTimeoutMs);
        await link.close();
        return nats;
    }
    catch (error) {
        await nats[Symbol.asyncDispose]();
        throw error;
    }
}
async function startBenchGateway(options) {
    const { nats, args = [], preload, name, peaks } = options;
    const [port] = await (0, nats_server_1.freePorts)(1);
    const address = `127.0.0.1:${String(port)}`;
    const main = (0, node_path_1.join)(__dirname, '..', 'src', 'main.js');
    const flags = [`--listen=${address}`, `--nats-url=${nats.url}`, '--log-level=warn', ...args];
    const loaded = preload === undefined ? [] : ['--require', preload];
    const gateway = (0, tied_process_1.spawnTied)(process.execPath, [...nodeFlags, ...loaded, main, ...flags]);
    const client = (0, rpc_client_1.connectRpc)(address);
    const stop = async () => {
        peaks.push({ gateway: name, residentBytesMax: residentBytesMax(gateway) });
        client[Symbol.dispose]();
        await gateway.stop(stopTimeoutMs);
    };
    try {
        await (0, nats_server_1.until)(() => answers(gateway, client), startTimeoutMs);
    }
    catch (error) {
        await stop();
        throw error;
    }
    return {
        address,
        caughtUp: () => (0, nats_server_1.until)(async () => {
            const { index } = await client.serverInfo();
            return index !== undefined && index.lag < indexLagMax;
        }, indexTimeoutMs),
        async indexPosition() {
            const { index } = await client.serverInfo();
            return index?.position ?? 0n;
        },
        [Symbol.asyncDispose]: stop,
    };
}
/** Starts bare-server.ts. */
async function startBareServer() {
    const [port] = await (0, nats_server_1.freePorts)(1);
    const address = `127.0.0.1:${String(port)}`;
    const server = (0, tied_process_1.spawnTied)(process.execPath, [(0, node_path_1.join)(__dirname, 'bare-server.js'), address]);
    const stop = () => server.stop(stopTimeoutMs);
    const client = (0, rpc_client_1.connectRpc)(address);
    try {
        const isUp = () => client.getVersion({ stream: 'any' }).then(() => true, () => false);
        await (0, nats_server_1.until)(isUp, startTimeoutMs);
    }
    catch (error) {
        await stop();
        throw error;
    }
    finally {
        client[Symbol.dispose]();
    }
    return { address, [Symbol.asyncDispose]: stop };
}
async function answers(gateway, client) {
    if (gateway.end !== undefined)
        throw new Error(`the gateway ended with ${gateway.end}: ${gateway.stderrTail()}`);
    return client.serverInfo().then(() => true, () => false);
}
/** The most memory that a running process ever had resident (VmHWM), in bytes. */
function residentBytesMax({ pid }) {
    try {
        const status = (0, node_fs_1.readFileSync)(`/proc/${String(pid)}/status`, 'utf8');
        return Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1]) * 1_024;
    }
    catch {
        return undefined;
    }
}
