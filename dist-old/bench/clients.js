"use strict";
Object.defineProperty(exports, "__esModule", { value: true });
exports.startClients = startClients;
const node_child_process_1 = require("node:child_process");
const node_events_1 = require("node:events");
const node_path_1 = require("node:path");
const statistics_1 = require("./statistics");
async function startClients(count, address, natsUrl) {
    const children = Array.from({ length: count }, () => (0, node_child_process_1.fork)((0, node_path_1.join)(__dirname, 'load.js'), [address, natsUrl]));
    try {
        await Promise.all(children.map(nextMessage));
    }
    catch (error) {
        await end(children);
        throw error;
    }
    return {
        async run({ callers, ...job }) {
            const busy = children.slice(0, callers);
            const reports = await Promise.all(busy.map((child, index) => {
                const share = (part) => Math.floor((callers * part) / busy.length);
                return report(child, { ...job, callers: { from: share(index), to: share(index + 1) } });
            }));
            return (0, statistics_1.toSlot)(reports);
        },
        [Symbol.asyncDispose]: () => end(children),
    };
}
async function report(child, job) {
    const answer = nextMessage(child);
    child.send(job);
    const message = await answer;
    if (typeof message === 'string')
        throw new Error('a load process started twice');
    if ('error' in message)
        throw new Error(`${job.operation.kind} by ${job.peer}: ${message.error}`);
    return message;
}
function nextMessage(child) {
    if (hasEnded(child))
        return Promise.reject(new Error('a load process has ended'));
    return new Promise((resolve, reject) => {
        const onExit = () => {
            reject(new Error('a load process ended'));
        };
        child.once('exit', onExit);
        child.once('message', (message) => {
            child.off('exit', onExit);
            resolve(message);
        });
    });
}
async function end(children) {
    await Promise.all(children.map(async (child) => {
        if (hasEnded(child))
            return;
        const ended = (0, node_events_1.once)(child, 'exit');
        child.disconnect();
        await ended;
    }));
}
function hasEnded({ exitCode, signalCode }) {
    return exitCode !== null || signalCode !== null;
}
