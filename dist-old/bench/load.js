"use strict";
Object.defineProperty(exports, "__esModule", { value: true });
const node_perf_hooks_1 = require("node:perf_hooks");
const hdr_histogram_js_1 = require("hdr-histogram-js");
const typescript_peer_1 = require("./typescript-peer");
const delivery_1 = require("./delivery");
const events_1 = require("./events");
const generated_peer_1 = require("./generated-peer");
const job_1 = require("./job");
const statistics_1 = require("./statistics");
const raw_peer_1 = require("./raw-peer");
/**
 * A load process: it makes the calls, so that the load has processor time of its own, as clients have in life. Started
 * by clients.ts with the addresses of the gateway and of NATS; gets jobs, answers reports.
 */
async function main(address, natsUrl) {
    const peers = {
        generated: (0, generated_peer_1.generatedPeer)(address),
        typescript: (0, typescript_peer_1.typescriptPeer)(address),
        raw: await (0, raw_peer_1.rawPeer)(natsUrl),
    };
    /** Versions of the streams that this process has appended to, by peer. */
    const versions = {
        generated: new Map(),
        typescript: new Map(),
        raw: new Map(),
    };
    process.on('message', (job) => {
        void run(peers[job.peer], versions[job.peer], job).then(tell, (error) => {
            tell({ error: error instanceof Error ? error.message : String(error) });
        });
    });
    process.on('disconnect', () => process.exit());
    tell('ready');
}
function tell(message) {
    process.send?.(message);
}
async function run(peer, versions, job) {
    const { callers } = job;
    const histogram = (0, statistics_1.newHistogram)();
    const { operation, callsEach: appends, firstCall } = job;
    const startedMs = node_perf_hooks_1.performance.timeOrigin + node_perf_hooks_1.performance.now();
    const running = Array.from({ length: callers.to - callers.from }, (_, index) => operation.kind === 'delivery'
        ? (0, delivery_1.deliver)(peer, operation, { appends, firstCall }, histogram)
        : runCaller(peer, versions, { ...job, operation }, callers.from + index, histogram));
    await Promise.all(running);
    const endedMs = node_perf_hooks_1.performance.timeOrigin + node_perf_hooks_1.performance.now();
    return { histogram: (0, hdr_histogram_js_1.encodeIntoCompressedBase64)(histogram), startedMs, endedMs };
}
async function runCaller(peer, versions, { operation, callsEach, firstCall }, caller, histogram) {
    for (let call = firstCall; call < firstCall + callsEach; call++) {
        const perform = prepare(peer, versions, operation, caller, call);
        const startedMs = node_perf_hooks_1.performance.now();
        await perform();
        histogram.recordValue(Math.max(1, Math.round((node_perf_hooks_1.performance.now() - startedMs) * 1_000)));
    }
}
/** Everything that does not belong to the call is done before it. */
function prepare(peer, versions, operation, caller, call) {
    switch (operation.kind) {
        case 'append': {
            const stream = (0, job_1.streamName)(operation.streams, caller, Math.floor(call / operation.callsPerStream));
            const version = versions.get(stream) ?? operation.version;
            const events = (0, events_1.newEvents)(operation.events);
            versions.set(stream, version + events.length);
            return () => peer.append(stream, events, version);
        }
        case 'read': {
            const { prefix, count } = operation.streams;
            const stream = (0, job_1.streamName)(prefix, 0, (caller + call) % count);
            return async () => {
                check('events', await peer.read(stream, operation.range), operation.events);
            };
        }
        case 'version': {
            const { prefix, count } = operation.streams;
            const stream = (0, job_1.streamName)(prefix, 0, (caller + call) % count);
            return async () => {
                check('version', await peer.version(stream), operation.version);
            };
        }
        case 'correlation': {
            // A prime, so that ids are met in no order.
            const id = (0, job_1.correlationId)(((caller + call) * 7_919) % operation.ids);
            return async () => {
                check('events', await peer.correlation(id), operation.events);
            };
        }
        case 'catchUp':
            return () => peer.catchUp(operation.pattern, operation.events);
    }
}
function check(what, found, wanted) {
    if (found !== wanted)
        throw new Error(`wrong ${what}: ${found}, not ${wanted}`);
}
const [address = '', natsUrl = ''] = process.argv.slice(2);
void main(address, natsUrl);
