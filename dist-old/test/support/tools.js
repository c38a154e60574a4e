"use strict";
Object.defineProperty(exports, "__esModule", { value: true });
exports.prepareTools = prepareTools;
exports.removeTools = removeTools;
exports.ensureNatsServer = ensureNatsServer;
exports.findGrpcurl = findGrpcurl;
exports.natsServerPath = natsServerPath;
exports.grpcurlPath = grpcurlPath;
const node_child_process_1 = require("node:child_process");
const node_fs_1 = require("node:fs");
const node_os_1 = require("node:os");
const node_path_1 = require("node:path");
const node_util_1 = require("node:util");
const nats_binary_1 = require("../../src/jetstream/nats-binary");
const nats_fetch_1 = require("../../src/jetstream/nats-fetch");
const grpcurlVersion = '1.9.3';
const grpcurlModule = `github.com/fullstorydev/grpcurl/cmd/grpcurl@v${grpcurlVersion}`;
/** Tells the workers where the result is. Not SLUICE_: the gateway refuses such variables that it does not know. */
const toolsVariable = 'TOOLS_OF_SLUICE_TESTS';
/** For jest's global set-up. Fails without nats-server; without grpcurl only where CI=true. */
async function prepareTools() {
    const natsServer = await ensureNatsServer();
    const grpcurl = await findGrpcurl();
    if (grpcurl === undefined && process.env['CI'] === 'true')
        throw new Error('CI needs grpcurl');
    const file = (0, node_path_1.join)((0, node_fs_1.mkdtempSync)((0, node_path_1.join)((0, node_os_1.tmpdir)(), 'sluice-tools-')), 'tools.json');
    (0, node_fs_1.writeFileSync)(file, JSON.stringify({ natsServer: natsServer.path, grpcurl }));
    process.env[toolsVariable] = file;
}
/** For jest's global tear-down. */
function removeTools() {
    const file = process.env[toolsVariable];
    if (file !== undefined)
        (0, node_fs_1.rmSync)((0, node_path_1.dirname)(file), { recursive: true, force: true });
}
/** The nats-server of the tests, found as the gateway finds its own. Throws NatsBinaryError. */
async function ensureNatsServer() {
    const binary = await (0, nats_binary_1.findNatsServer)({
        explicitPath: process.env['SLUICE_NATS_SERVER'] || undefined,
        cacheDir: cacheDir(),
        releaseMirror: process.env['SLUICE_RELEASE_MIRROR'] || undefined,
        env: process.env,
        log,
    });
    log(`nats-server ${binary.version} at ${binary.path}`);
    return binary;
}
/**
 * grpcurl from the PATH or the cache, or built by Go, which verifies it against Go's checksum database. Its releases are
 * not downloaded: no checksum of theirs is pinned here. Says so loudly when there is none.
 */
async function findGrpcurl() {
    const name = `grpcurl-${grpcurlVersion}-${nats_fetch_1.platformName}`;
    const folders = (process.env['PATH'] ?? '').split(node_path_1.delimiter).filter((folder) => folder !== '');
    const places = [...folders.map((folder) => (0, node_path_1.resolve)(folder, 'grpcurl')), (0, node_path_1.join)(cacheDir(), name)];
    try {
        const path = places.find(isExecutable) ??
            (await (0, nats_binary_1.intoCache)(cacheDir(), async (folder) => {
                const made = await (0, nats_fetch_1.goInstall)({ env: process.env, log }, grpcurlModule, folder);
                return { made, name };
            }));
        await (0, node_util_1.promisify)(node_child_process_1.execFile)(path, ['-version'], { timeout: 10_000 });
        log(`grpcurl at ${path}`);
        return path;
    }
    catch (error) {
        log('**************************************************************************');
        log(`SKIPPED: the tests with grpcurl. It is neither on the PATH nor in ${cacheDir()},`);
        log(`and go install ${grpcurlModule} failed: ${error instanceof Error ? error.message : String(error)}`);
        log('**************************************************************************');
        return undefined;
    }
}
/** Path of nats-server, in a test. */
function natsServerPath() {
    return tools().natsServer;
}
/** Path of grpcurl, in a test; undefined if it could not be had. */
function grpcurlPath() {
    return tools().grpcurl;
}
function tools() {
    const file = process.env[toolsVariable];
    if (file === undefined)
        throw new Error('jest did not run test/support/global-setup.ts');
    return JSON.parse((0, node_fs_1.readFileSync)(file, 'utf8'));
}
function cacheDir() {
    return process.env['SLUICE_CACHE_DIR'] || (0, nats_binary_1.defaultCacheDir)(process.env);
}
function isExecutable(path) {
    try {
        (0, node_fs_1.accessSync)(path, node_fs_1.constants.X_OK);
        return true;
    }
    catch {
        return false;
    }
}
function log(line) {
    process.stderr.write(`test tools: ${line}\n`);
}
