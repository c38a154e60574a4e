"use strict";
Object.defineProperty(exports, "__esModule", { value: true });
exports.NatsBinaryError = void 0;
exports.defaultCacheDir = defaultCacheDir;
exports.findNatsServer = findNatsServer;
exports.intoCache = intoCache;
const node_fs_1 = require("node:fs");
const promises_1 = require("node:fs/promises");
const node_os_1 = require("node:os");
const node_path_1 = require("node:path");
const types_1 = require("node:util/types");
const nats_fetch_1 = require("./nats-fetch");
const nats_version_1 = require("./nats-version");
/** No nats-server could be had; the message lists what was tried, why it failed and what would help. */
class NatsBinaryError extends Error {
}
exports.NatsBinaryError = NatsBinaryError;
const versionTimeoutMs = 10_000;
/** Older temporary folders in the cache were left by processes that died. */
const makingMaxMs = 24 * 3_600_000;
/** The folder where Sluice keeps programs that it fetched, after the XDG base directories. */
function defaultCacheDir(env) {
    const { XDG_CACHE_HOME: cache, HOME: home } = env;
    if (cache !== undefined && (0, node_path_1.isAbsolute)(cache))
        return (0, node_path_1.join)(cache, 'sluice');
    return (0, node_path_1.join)(home !== undefined && (0, node_path_1.isAbsolute)(home) ? home : (0, node_os_1.homedir)(), '.cache', 'sluice');
}
/** Finds a nats-server that is new enough, or fetches one. Every step is bounded in time. Throws NatsBinaryError. */
async function findNatsServer(found) {
    const options = { ...found, cacheDir: (0, node_path_1.resolve)(found.cacheDir) };
    if (options.explicitPath !== undefined) {
        const path = (0, node_path_1.resolve)(options.explicitPath);
        return usable(path, options).catch((error) => {
            throw new NatsBinaryError(`the nats-server that SLUICE_NATS_SERVER (--nats-server) names cannot be used: ${reasonOf(error)}\n` +
                `  remedy: name one of version ${nats_version_1.natsVersionFloor} or later, or leave the setting out to have one found`, { cause: error });
        });
    }
    const failures = [];
    for (const { name, remedy, find } of steps(options)) {
        try {
            return await find();
        }
        catch (error) {
            failures.push(`  ${name}: ${reasonOf(error)}\n    remedy: ${remedy}`);
        }
    }
    throw new NatsBinaryError(`no nats-server of version ${nats_version_1.natsVersionFloor} or later could be found or fetched:\n${failures.join('\n')}`);
}
function steps(options) {
    const fetched = (fetchInto) => () => fetchNats(options, fetchInto);
    return [
        {
            name: 'PATH',
            remedy: 'install nats-server on the PATH, or set SLUICE_NATS_SERVER to the path of one',
            find: () => onPath(options),
        },
        {
            name: `cache folder ${options.cacheDir}`,
            remedy: `copy a nats-server there under the name ${cachedName(nats_fetch_1.releaseVersion)}`,
            find: () => cached(options),
        },
        {
            name: `download of release ${nats_fetch_1.releaseVersion}`,
            remedy: 'let the release page be reached, or set SLUICE_RELEASE_MIRROR to a copy of it',
            find: fetched((folder) => (0, nats_fetch_1.downloadRelease)(options, folder)),
        },
        {
            name: `go install ${nats_fetch_1.natsModule}`,
            remedy: 'install Go on the PATH, with a module proxy that it can reach',
            find: fetched((folder) => (0, nats_fetch_1.goInstall)(options, nats_fetch_1.natsModule, folder)),
        },
        {
            name: "package of Debian's newest suite",
            remedy: 'on Debian, let apt-get reach its archive',
            find: fetched((folder) => (0, nats_fetch_1.debianPackage)(options, folder)),
        },
    ];
}
/** The binary at an absolute path with its version. Throws if it does not run or is too old. */
async function usable(path, { env }) {
    const { stdout } = await (0, nats_fetch_1.run)(env, path, ['--version'], {
        timeoutMs: versionTimeoutMs,
        killSignal: 'SIGKILL',
    });
    const version = /\bv?(\d+\.\d+\.\d+)/.exec(stdout)?.[1];
    if (version === undefined)
        throw new Error(`${path} --version does not tell a version`);
    if (!(0, nats_version_1.atLeast)(version, nats_version_1.natsVersionFloor)) {
        throw new Error(`${path} has version ${version}, needed is ${nats_version_1.natsVersionFloor} or later`);
    }
    return { path, version };
}
async function onPath(options) {
    const reasons = [];
    for (const folder of (options.env['PATH'] ?? '').split(node_path_1.delimiter)) {
        const path = (0, node_path_1.resolve)(folder, 'nats-server');
        if (folder === '' || !isExecutable(path))
            continue;
        try {
            return await usable(path, options);
        }
        catch (error) {
            reasons.push(reasonOf(error));
            options.log(`passing over a nats-server on the PATH: ${reasonOf(error)}`);
        }
    }
    throw new Error(reasons.length === 0 ? 'there is no nats-server on it' : reasons.join('; '));
}
/** The newest in the cache that can be used. */
async function cached(options) {
    const names = await (0, promises_1.readdir)(options.cacheDir).catch(() => []);
    const versions = names
        .map((name) => /^nats-server-(\d+\.\d+\.\d+)-/.exec(name)?.[1] ?? '')
        .filter((version) => names.includes(cachedName(version)))
        .sort((a, b) => (a === b ? 0 : (0, nats_version_1.atLeast)(a, b) ? -1 : 1));
    const reasons = [];
    for (const version of versions) {
        try {
            return await usable((0, node_path_1.join)(options.cacheDir, cachedName(version)), options);
        }
        catch (error) {
            reasons.push(reasonOf(error));
        }
    }
    throw new Error(reasons.length === 0 ? 'it holds no nats-server' : reasons.join('; '));
}
function cachedName(version) {
    return `nats-server-${version}-${nats_fetch_1.platformName}`;
}
async function fetchNats(options, fetchInto) {
    let version = '';
    const path = await intoCache(options.cacheDir, async (folder) => {
        const made = await fetchInto(folder);
        await (0, promises_1.chmod)(made, 0o755);
        ({ version } = await usable(made, options));
        return { made, name: cachedName(version) };
    });
    options.log(`keeping nats-server ${version} as ${path}`);
    return { path, version };
}
/**
 * Has a file made in a folder of its own and moves it into the cache under its name in one step, so that nobody meets
 * half a file; processes that do so at once do the work twice and leave the same file. Resolves with its path.
 */
async function intoCache(cacheDir, make) {
    await (0, promises_1.mkdir)(cacheDir, { recursive: true });
    await removeLeftovers(cacheDir);
    const folder = await (0, promises_1.mkdtemp)((0, node_path_1.join)(cacheDir, 'making-'));
    try {
        const { made, name } = await make(folder);
        const path = (0, node_path_1.join)(cacheDir, name);
        await (0, promises_1.rename)(made, path);
        return path;
    }
    finally {
        await (0, promises_1.rm)(folder, { recursive: true, force: true });
    }
}
async function removeLeftovers(cacheDir) {
    for (const name of await (0, promises_1.readdir)(cacheDir)) {
        if (!name.startsWith('making-'))
            continue;
        const path = (0, node_path_1.join)(cacheDir, name);
        const changedMs = await (0, promises_1.stat)(path).then(({ mtimeMs }) => mtimeMs, () => Infinity);
        if (Date.now() - changedMs < makingMaxMs)
            continue;
        // Another user's is not ours to remove, and no reason to fail.
        await (0, promises_1.rm)(path, { recursive: true, force: true }).catch(() => undefined);
    }
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
/** Why a step failed, in one line: a program's own last line on stderr where there is one. */
function reasonOf(error) {
    if (!(0, types_1.isNativeError)(error))
        return String(error);
    const { code, path, killed, stderr } = error;
    if (code === 'ENOENT' && path !== undefined)
        return `${path} is not there`;
    if (code === 'EACCES' && path !== undefined)
        return `${path} may not be used: permission denied`;
    if (killed === true)
        return 'it took too long and was ended';
    const said = stderr?.trim().split('\n').at(-1) ?? '';
    if (said !== '')
        return said;
    const { cause } = error;
    const why = cause?.message === '' ? cause.code : cause?.message;
    return why === undefined ? error.message : `${error.message} (${why})`;
}
