"use strict";
Object.defineProperty(exports, "__esModule", { value: true });
const node_child_process_1 = require("node:child_process");
const node_fs_1 = require("node:fs");
const node_path_1 = require("node:path");
const tools_1 = require("../test/support/tools");
const against_raw_1 = require("./against-raw");
const following_1 = require("./following");
const grpc_floor_1 = require("./grpc-floor");
const index_cost_1 = require("./index-cost");
const machine_1 = require("./machine");
const settings_1 = require("./settings");
const store_size_1 = require("./store-size");
const stream_length_1 = require("./stream-length");
const table_1 = require("./table");
const tables = [
    (run) => (0, against_raw_1.againstRaw)(run, 'interval'),
    (run) => (0, against_raw_1.againstRaw)(run, 'always'),
    stream_length_1.streamLength,
    store_size_1.storeSize,
    index_cost_1.indexCost,
    grpc_floor_1.grpcFloor,
    following_1.following,
];
const exitCode = { ok: 0, failed: 1, usage: 2, stopped: 130 };
/** `npm run` runs it in the folder of the project. */
const resultsFile = (0, node_path_1.join)('bench', 'RESULTS.md');
async function main(argv) {
    const stop = new AbortController();
    for (const signal of ['SIGINT', 'SIGTERM']) {
        process.once(signal, () => {
            stop.abort();
        });
    }
    try {
        const settings = (0, settings_1.parseSettings)(argv);
        if (settings.help)
            process.stdout.write(settings_1.helpText);
        else
            await runAll(settings, argv, stop.signal);
        return exitCode.ok;
    }
    catch (error) {
        if (error instanceof settings_1.UsageError) {
            process.stderr.write(`bench: ${error.message}\n\n${settings_1.helpText}`);
            return exitCode.usage;
        }
        if (!stop.signal.aborted)
            throw error;
        process.stderr.write('bench: stopped\n');
        return exitCode.stopped;
    }
}
async function runAll(settings, argv, signal) {
    if (settings.write)
        checkWritable();
    await (0, tools_1.prepareTools)();
    try {
        cleanEnvironment();
        const parts = [];
        const print = (part) => {
            parts.push(part);
            process.stdout.write(`${part}\n\n`);
        };
        print(introduction(settings, argv));
        const progress = (line) => void process.stderr.write(`bench: ${line}\n`);
        const run = { settings, peaks: [], progress, signal };
        let found = false;
        for (const [index, measureTable] of tables.entries()) {
            const table = await measureTable(run);
            if (table === undefined)
                continue;
            found = true;
            print((0, table_1.renderTable)(table, index + 1));
        }
        if (!found)
            throw new settings_1.UsageError('--only matches no row');
        print((0, table_1.renderMemory)(run.peaks));
        if (settings.write)
            (0, node_fs_1.writeFileSync)(resultsFile, `${parts.join('\n\n')}\n`);
    }
    finally {
        (0, tools_1.removeTools)();
    }
}
/** Before the run, since it takes long. */
function checkWritable() {
    try {
        (0, node_fs_1.accessSync)('bench', node_fs_1.constants.W_OK);
    }
    catch (error) {
        throw new settings_1.UsageError('--write needs the folder bench/, to write RESULTS.md there', { cause: error });
    }
}
/** Variables that say how to find the tools would be settings to the gateways. */
function cleanEnvironment() {
    for (const name of Object.keys(process.env)) {
        if (name.startsWith('SLUICE_'))
            Reflect.deleteProperty(process.env, name);
    }
}
function introduction({ rounds, clients, quick }, argv) {
    const natsVersion = /\d+\.\d+\.\d+\S*/.exec((0, node_child_process_1.execFileSync)((0, tools_1.natsServerPath)(), ['--version']).toString());
    const lines = [
        `Command: \`${['npm run bench', ...(argv.length === 0 ? [] : ['--', ...argv])].join(' ')}\``,
        `Date: ${new Date().toISOString().slice(0, 16).replace('T', ' ')} UTC`,
        ...(0, machine_1.describeMachine)(natsVersion?.[0] ?? 'of an unknown version'),
        `Load: ${clients} ${clients === 1 ? 'process' : 'processes'}, each with one gRPC channel and one NATS connection; ` +
            'gateway, nats-server and load are processes of their own on this machine',
        `Rounds: ${rounds} for each row, the two sides in turns, after one to warm up`,
    ];
    const warning = quick ? ['**A quick run: it shows that everything works; the figures mean nothing.**'] : [];
    return ['# Results', ...warning, lines.map((line) => `- ${line}`).join('\n'), table_1.legend].join('\n\n');
}
void main(process.argv.slice(2)).then((code) => process.exit(code), (error) => {
    process.stderr.write(`bench: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
    process.exit(exitCode.failed);
});
