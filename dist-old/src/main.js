#!/usr/bin/env node
"use strict";
var __importDefault = (this && this.__importDefault) || function (mod) {
    return (mod && mod.__esModule) ? mod : { "default": mod };
};
Object.defineProperty(exports, "__esModule", { value: true });
const node_v8_1 = require("node:v8");
const pino_1 = __importDefault(require("pino"));
const banner_1 = require("./banner");
const config_1 = require("./config");
const gateway_1 = require("./gateway");
const help_1 = require("./help");
const version_1 = require("./version");
/** What the process ends with; explained in help.ts. */
const exitCode = { ok: 0, unexpected: 1, settings: 2, store: 3, listen: 4 };
// By itself the heap may double between collections, most of it garbage; this keeps the process a third smaller.
(0, node_v8_1.setFlagsFromString)('--heap-growing-percent=20');
/** The log must be out before the process ends, hence `sync`. */
const logDestination = pino_1.default.destination({ fd: 2, sync: true });
async function main(argv) {
    if (argv.includes('--help') || argv.includes('-h'))
        return print((0, help_1.helpText)());
    if (argv.includes('--version'))
        return print(`${version_1.version}\n`);
    try {
        if (argv.includes('--print-config')) {
            return print((0, config_1.printConfig)(argv.filter((argument) => argument !== '--print-config')));
        }
        return await serve(argv);
    }
    catch (error) {
        if (!(error instanceof config_1.ConfigError) && !(error instanceof gateway_1.StartError))
            throw error;
        process.stderr.write(`sluice: ${error.message}\n`);
        return error instanceof gateway_1.StartError ? exitCode[error.stage] : exitCode.settings;
    }
}
/** Serves until a signal asks to stop. Throws ConfigError and StartError. */
async function serve(argv) {
    const config = (0, config_1.loadConfig)(argv);
    const log = (0, pino_1.default)({ level: config.logLevel }, logDestination);
    // Before the start, so that a signal during the start still stops what is already running.
    const stopped = stopSignal(log);
    const gateway = await (0, gateway_1.startGateway)(config, log);
    process.stdout.write((0, banner_1.banner)(gateway.describe()));
    await stopped;
    await gateway.close();
    log.info('stopped');
    return exitCode.ok;
}
/** Resolves with the first SIGTERM or SIGINT; the second ends the process at once. */
function stopSignal(log) {
    return new Promise((resolve) => {
        let asked = false;
        const onSignal = (signal, number) => {
            if (asked)
                process.exit(128 + number);
            asked = true;
            log.info({ signal }, 'stopping; a second signal ends at once');
            resolve();
        };
        process.on('SIGTERM', onSignal);
        process.on('SIGINT', onSignal);
    });
}
function print(text) {
    process.stdout.write(text);
    return exitCode.ok;
}
/** A bug: it is logged, and the process ends rather than go on in a state that nobody knows. */
function crash(err) {
    (0, pino_1.default)(logDestination).fatal({ err }, 'unexpected error');
    process.exit(exitCode.unexpected);
}
// That nobody reads what is printed is no reason to end.
process.stdout.on('error', () => undefined);
process.on('uncaughtException', crash);
process.on('unhandledRejection', crash);
void main(process.argv.slice(2)).then((code) => process.stdout.write('', () => process.exit(code)), crash);
