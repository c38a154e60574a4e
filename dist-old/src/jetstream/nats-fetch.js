"use strict";
Object.defineProperty(exports, "__esModule", { value: true });
exports.natsModule = exports.releaseVersion = exports.platformName = void 0;
exports.run = run;
exports.downloadRelease = downloadRelease;
exports.goInstall = goInstall;
exports.debianPackage = debianPackage;
const node_child_process_1 = require("node:child_process");
const node_crypto_1 = require("node:crypto");
const promises_1 = require("node:fs/promises");
const node_path_1 = require("node:path");
const node_util_1 = require("node:util");
/** The platform as releases name it, for instance "linux-amd64". */
exports.platformName = `${process.platform}-${process.arch === 'x64' ? 'amd64' : process.arch}`;
exports.releaseVersion = '2.15.0';
const releasePage = 'https://github.com/nats-io/nats-server/releases/download';
/** From the SHA256SUMS of the release. */
const releaseChecksums = {
    'linux-amd64': '5d2c51caca950333aba84911df7d377f826f3a59ec36061c6539105084f65c92',
    'linux-arm64': 'cdc208f5a3f42963a52b6ab06ef65626bb870315dc936e26ba571780c6351112',
    'darwin-amd64': '5bd8b59ca5bf93fab3da2c5843cf564cd6e2e291e22ae3b861746e7ebe259b95',
    'darwin-arm64': 'e1c4e22d70bd44abfa0bcb3c16f7cf0c66f648c2e728c58924e8a1ce88913cc8',
};
exports.natsModule = 'github.com/nats-io/nats-server/v2@v2.15.1';
/** Until the first bytes of the answer: a host that cannot be reached must not hold up the start. */
const answerTimeoutMs = 10_000;
const downloadTimeoutMs = 120_000;
const buildTimeoutMs = 600_000;
const quickTimeoutMs = 30_000;
/** Several times a release of today. */
const archiveBytesMax = 128 << 20;
/** Runs a program to its end. Rejects if it fails or takes longer than its time. */
async function run(env, file, args, limits) {
    const { timeoutMs: timeout, ...others } = limits;
    return (0, node_util_1.promisify)(node_child_process_1.execFile)(file, args, { env: { ...env }, timeout, ...others });
}
/** The pinned release, checked against the checksum that is written here. */
async function downloadRelease(options, folder) {
    const stem = `nats-server-v${exports.releaseVersion}-${exports.platformName}`;
    const checksum = (options.checksums ?? releaseChecksums)[exports.platformName];
    if (checksum === undefined)
        throw new Error(`no checksum is known for ${exports.platformName}`);
    const page = (options.releaseMirror ?? releasePage).replace(/\/+$/, '');
    const url = `${page}/v${exports.releaseVersion}/${stem}.tar.gz`;
    options.log(`downloading ${url}`);
    const archive = await fetchBytes(url);
    const found = (0, node_crypto_1.createHash)('sha256').update(archive).digest('hex');
    if (found !== checksum)
        throw new Error(`${url} has SHA-256 ${found}, expected ${checksum}`);
    await (0, promises_1.writeFile)((0, node_path_1.join)(folder, 'archive.tar.gz'), archive);
    const member = `${stem}/nats-server`;
    await run(options.env, 'tar', ['-xozf', 'archive.tar.gz', member], {
        cwd: folder,
        timeoutMs: quickTimeoutMs,
    });
    return (0, node_path_1.join)(folder, member);
}
async function fetchBytes(url) {
    const answering = new AbortController();
    const timer = setTimeout(() => {
        answering.abort(new Error(`no answer in ${answerTimeoutMs.toString()} ms`));
    }, answerTimeoutMs);
    const signal = AbortSignal.any([answering.signal, AbortSignal.timeout(downloadTimeoutMs)]);
    const { ok, status, body } = await fetch(url, { signal }).finally(() => {
        clearTimeout(timer);
    });
    if (!ok || body === null) {
        await body?.cancel();
        throw new Error(`${url} answers ${status.toString()}`);
    }
    const chunks = [];
    let bytes = 0;
    for await (const chunk of body) {
        bytes += chunk.length;
        if (bytes > archiveBytesMax)
            throw new Error(`${url} has more than ${archiveBytesMax.toString()} bytes`);
        chunks.push(chunk);
    }
    return Buffer.concat(chunks);
}
/** A Go program, built by the Go toolchain, which verifies the sources against Go's checksum database. */
async function goInstall({ env, log }, module, folder) {
    await run(env, 'go', ['version'], { timeoutMs: quickTimeoutMs });
    log(`building ${module} with Go; this can take some minutes`);
    await run({ ...env, GOBIN: folder }, 'go', ['install', module], { timeoutMs: buildTimeoutMs });
    const name = (await (0, promises_1.readdir)(folder))[0];
    if (name === undefined)
        throw new Error('go install made nothing');
    return (0, node_path_1.join)(folder, name);
}
/**
 * The package of Debian's newest suite, from the archive that this system's apt uses. apt verifies the signatures and
 * keeps its state in the folder; nothing is installed, and the system is not changed.
 */
async function debianPackage({ env, log }, folder) {
    const limits = { cwd: folder, timeoutMs: quickTimeoutMs };
    const targets = ['indextargets', '--format', '$(SITE)', 'Created-By: Packages'];
    const { stdout } = await run(env, 'apt-get', targets, limits);
    const archive = stdout.split('\n').find((line) => /^https?:\/\/.*\/debian\/?$/.test(line));
    if (archive === undefined)
        throw new Error('apt is set up for no Debian archive');
    const keyring = '/usr/share/keyrings/debian-archive-keyring.gpg';
    await (0, promises_1.writeFile)((0, node_path_1.join)(folder, 'sources.list'), `deb [signed-by=${keyring}] ${archive} sid main\n`);
    // Hooks of the system would act on the system's own files.
    await (0, promises_1.writeFile)((0, node_path_1.join)(folder, 'apt.conf'), '#clear APT::Update;\n');
    await (0, promises_1.mkdir)((0, node_path_1.join)(folder, 'lists', 'partial'), { recursive: true });
    const apt = [
        `Dir::Etc::SourceList=${(0, node_path_1.join)(folder, 'sources.list')}`,
        'Dir::Etc::SourceParts=/dev/null',
        'Dir::Etc::Preferences=/dev/null',
        'Dir::Etc::PreferencesParts=/dev/null',
        `Dir::State::Lists=${(0, node_path_1.join)(folder, 'lists')}`,
        `Dir::Cache=${(0, node_path_1.join)(folder, 'cache')}`,
        'APT::Default-Release=',
        // The folder is ours alone, so apt's own user could not write to it.
        'APT::Sandbox::User=',
        'Acquire::Languages=none',
        'Acquire::Retries=0',
        ...['http', 'https'].map((scheme) => `Acquire::${scheme}::Timeout=${(answerTimeoutMs / 1000).toString()}`),
    ].flatMap((option) => ['-o', option]);
    const aptGet = async (...args) => {
        await run(env, 'apt-get', ['-q', '-c', (0, node_path_1.join)(folder, 'apt.conf'), ...apt, ...args], {
            cwd: folder,
            timeoutMs: downloadTimeoutMs,
        });
    };
    log(`asking ${archive} for Debian's newest nats-server`);
    await aptGet('update');
    await aptGet('download', 'nats-server');
    const name = (await (0, promises_1.readdir)(folder)).find((entry) => entry.endsWith('.deb'));
    if (name === undefined)
        throw new Error('apt-get downloaded nothing');
    await run(env, 'dpkg-deb', ['-x', name, 'unpacked'], limits);
    return (0, node_path_1.join)(folder, 'unpacked', 'usr', 'sbin', 'nats-server');
}
