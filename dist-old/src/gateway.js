"use strict";
Object.defineProperty(exports, "__esModule", { value: true });
exports.StartError = void 0;
exports.startGateway = startGateway;
const server_1 = require("./grpc/server");
const embedded_1 = require("./jetstream/embedded");
const jetstream_store_1 = require("./jetstream/jetstream-store");
const nats_binary_1 = require("./jetstream/nats-binary");
const version_1 = require("./version");
/** The gateway could not start: NATS or the store cannot be used, or it cannot listen. */
class StartError extends Error {
    stage;
    constructor(stage, cause) {
        super(cause instanceof Error ? cause.message : String(cause), { cause });
        this.stage = stage;
    }
}
exports.StartError = StartError;
/** Starts NATS if it has to, then the store, then gRPC. Throws StartError; what was opened is closed again. */
async function startGateway(config, log) {
    const opened = [];
    const closeAll = async () => {
        for (let close = opened.pop(); close !== undefined; close = opened.pop()) {
            await close().catch((err) => {
                log.error({ err }, 'closing failed');
            });
        }
    };
    let stage = 'store';
    try {
        const nats = await reachNats(config, log, opened);
        const { limits, address, tls } = config;
        const store = await (0, jetstream_store_1.openJetStreamStore)({ nats: nats.options, store: config.store, limits, log });
        opened.push(() => store.close());
        let availableAtStart = true;
        let serve = (available) => (availableAtStart = available);
        store.onAvailability((available) => {
            serve(available);
        });
        stage = 'listen';
        const embedded = nats.embedded !== undefined;
        const about = { version: version_1.version, durability: nats.durability, embedded };
        const grpc = await (0, server_1.startGrpcServer)({ address, tls, store, limits, about, log });
        opened.push(() => grpc.close());
        serve = (available) => {
            grpc.setServing(available);
        };
        serve(availableAtStart);
        const facts = describe(config, nats, grpc.address);
        let closing;
        return {
            address: grpc.address,
            port: grpc.port,
            describe: () => facts,
            close: () => (closing ??= closeAll()),
        };
    }
    catch (error) {
        log.debug({ err: error, stage }, 'the start failed');
        await closeAll();
        throw new StartError(stage, error);
    }
}
async function reachNats({ nats }, log, opened) {
    if (nats.kind === 'external')
        return { options: nats.options, durability: 'unknown', embedded: undefined };
    const server = await startOwnNats(nats, log);
    opened.push(() => server.close());
    const { url, user, password, dataDir } = server;
    return {
        options: {
            servers: [url],
            user,
            password,
            token: undefined,
            credsFile: undefined,
            tls: undefined,
            ...nats.connections,
        },
        durability: nats.sync === 'always' ? 'fsyncAlways' : 'fsyncInterval',
        embedded: { version: server.version, dataDir },
    };
}
async function startOwnNats(nats, log) {
    const { dataDir, sync, cacheDir, releaseMirror, env } = nats;
    const binary = await (0, nats_binary_1.findNatsServer)({
        explicitPath: nats.serverPath,
        cacheDir,
        releaseMirror,
        env,
        log: (line) => {
            log.info(line);
        },
    });
    return (0, embedded_1.startEmbeddedNats)({ dataDir, sync, binary, log });
}
function describe({ tls, store }, nats, address) {
    const security = tls?.clientCaFile === undefined ? 'server' : 'mutual';
    return {
        version: version_1.version,
        address,
        tls: tls === undefined ? 'none' : security,
        store: store.name,
        replicas: store.replicas,
        durability: nats.durability,
        embedded: nats.embedded,
        servers: nats.options.servers,
    };
}
