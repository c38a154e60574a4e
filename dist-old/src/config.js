"use strict";
Object.defineProperty(exports, "__esModule", { value: true });
exports.ConfigError = void 0;
exports.loadConfig = loadConfig;
exports.printConfig = printConfig;
const node_path_1 = require("node:path");
const node_util_1 = require("node:util");
const nats_binary_1 = require("./jetstream/nats-binary");
const limits_1 = require("./limits");
const nats_url_1 = require("./nats-url");
const nearest_name_1 = require("./nearest-name");
const settings_1 = require("./settings");
/** The settings cannot be used; `problems` has a line for each thing that is wrong. */
class ConfigError extends Error {
    problems;
    constructor(problems) {
        super(`the settings cannot be used:\n${problems.map((line) => `  ${line}`).join('\n')}`);
        this.problems = problems;
    }
}
exports.ConfigError = ConfigError;
/** The configuration from flags and the environment; a flag wins. Throws ConfigError with all that is wrong. */
function loadConfig(argv, env = process.env) {
    const { values } = parse(argv, env);
    const picked = Object.fromEntries(settings_1.keys.filter((key) => settings_1.settings[key].group === 'limits').map((key) => [key, values[key]]));
    return {
        address: values.listen,
        tls: values.tlsCert === undefined || values.tlsKey === undefined
            ? undefined
            : { certFile: values.tlsCert, keyFile: values.tlsKey, clientCaFile: values.tlsClientCa },
        nats: values.natsUrl === undefined ? embeddedNats(values, env) : externalNats(values.natsUrl, values),
        store: { name: values.storeName, prefix: values.storePrefix, replicas: values.storeReplicas },
        // Twice the largest append, so that an append that is too large gets its typed error.
        limits: { ...limits_1.defaultLimits, ...picked, requestBytesMax: 2 * values.appendBytesMax },
        logLevel: values.logLevel,
    };
}
/** The settings in force and where they come from, a line each, without secrets. Throws ConfigError. */
function printConfig(argv, env = process.env) {
    const { given } = parse(argv, env);
    const lines = settings_1.keys.map((key) => {
        const setting = settings_1.settings[key];
        const source = given.get(key);
        const text = source?.text ?? setting.default;
        const line = `${(0, settings_1.variableOf)(key)}=${text === undefined ? '' : shown(key, text)}`;
        return `${line.padEnd(44)} # ${source?.name ?? (text === undefined ? 'not set' : 'default')}`;
    });
    return lines.join('\n') + '\n';
}
function parse(argv, env) {
    const flags = readFlags(argv);
    const variables = readVariables(env);
    const given = new Map([...variables.given, ...flags.given]);
    const problems = [...flags.problems, ...variables.problems];
    const values = {};
    for (const key of settings_1.keys) {
        const setting = settings_1.settings[key];
        const { text, name } = given.get(key) ?? { text: setting.default, name: (0, settings_1.flagOf)(key) };
        if (text === undefined)
            continue;
        const parsed = setting.schema.safeParse(text);
        if (parsed.success)
            values[key] = parsed.data;
        else {
            // A URL that cannot be parsed may hold its login anywhere.
            const mayShow = setting.secret === undefined || (setting.secret === 'login' && !text.includes('@'));
            const found = mayShow ? `; found "${text}"` : '';
            for (const { message } of parsed.error.issues)
                problems.push(`${name} ${message}${found}`);
        }
    }
    problems.push(...contradictions(given, values));
    if (problems.length > 0)
        throw new ConfigError(problems);
    return { given, values: values };
}
function readFlags(argv) {
    const given = new Map();
    const problems = [];
    const byFlag = new Map(settings_1.keys.map((key) => [(0, settings_1.flagOf)(key), key]));
    const options = Object.fromEntries([...byFlag.keys()].map((flag) => [flag.slice(2), { type: 'string' }]));
    const { tokens } = (0, node_util_1.parseArgs)({ args: [...argv], options, strict: false, tokens: true });
    let unknownAt = -1;
    for (const token of tokens) {
        if (token.kind === 'positional' && token.index !== unknownAt + 1) {
            problems.push('unexpected argument' + (token.value.includes('@') ? '' : ` "${token.value}"`));
        }
        if (token.kind !== 'option')
            continue;
        const key = byFlag.get(token.rawName);
        if (key === undefined) {
            problems.push(`unknown flag ${token.rawName}${(0, nearest_name_1.suggestion)(token.rawName, [...byFlag.keys()])}`);
            unknownAt = token.inlineValue === true ? -1 : token.index;
        }
        else if (token.value === undefined || (!token.inlineValue && token.value.startsWith('-'))) {
            problems.push(`${token.rawName} needs a value; one that begins with "-" is written ${token.rawName}=-...`);
        }
        else if (given.has(key))
            problems.push(`${token.rawName} is given twice`);
        else
            given.set(key, { text: token.value, name: token.rawName });
    }
    return { given, problems };
}
/** Kubernetes gives each pod such variables for services of the same namespace: SLUICE_PORT for one named sluice. */
const kubernetesVariable = /^SLUICE_(\w+_)?(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT(_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?)$/;
function readVariables(env) {
    const given = new Map();
    const problems = [];
    const byVariable = new Map(settings_1.keys.map((key) => [(0, settings_1.variableOf)(key), key]));
    for (const [name, text] of Object.entries(env)) {
        if (!name.startsWith('SLUICE_') || text === undefined || text === '')
            continue;
        const key = byVariable.get(name);
        if (key !== undefined)
            given.set(key, { text, name });
        else if (!kubernetesVariable.test(name)) {
            problems.push(`unknown variable ${name}${(0, nearest_name_1.suggestion)(name, [...byVariable.keys()])}`);
        }
    }
    return { given, problems };
}
/** Settings that exclude or need each other, a line for each case, naming both. */
function contradictions(given, values) {
    const problems = [];
    const nameOf = (key) => given.get(key)?.name ?? (0, settings_1.flagOf)(key);
    const needs = (key, other, why = '') => {
        if (given.has(key) && !given.has(other)) {
            problems.push(`${nameOf(key)} needs ${(0, settings_1.flagOf)(other)} (${(0, settings_1.variableOf)(other)})${why}`);
        }
    };
    const givenOf = (group) => [...given.keys()].filter((key) => settings_1.settings[key].group === group);
    for (const key of givenOf('nats'))
        needs(key, 'natsUrl', ': without it the gateway runs its own NATS server');
    if (given.has('natsUrl')) {
        for (const key of givenOf('embedded')) {
            problems.push(`${nameOf(key)} is for the gateway's own NATS server, which ${nameOf('natsUrl')} excludes`);
        }
    }
    else if ((values.storeReplicas ?? 1) > 1) {
        problems.push(`${nameOf('storeReplicas')} above 1 needs ${(0, settings_1.flagOf)('natsUrl')} (${(0, settings_1.variableOf)('natsUrl')}) of a cluster`);
    }
    needs('tlsCert', 'tlsKey');
    needs('tlsKey', 'tlsCert');
    needs('tlsClientCa', 'tlsCert');
    needs('natsTlsCert', 'natsTlsKey');
    needs('natsTlsKey', 'natsTlsCert');
    needs('natsUser', 'natsPassword');
    needs('natsPassword', 'natsUser');
    const logins = [
        ...['natsUser', 'natsToken', 'natsCreds'].filter((key) => given.has(key)).map(nameOf),
        ...(values.natsUrl?.login === undefined ? [] : [`the credentials in ${nameOf('natsUrl')}`]),
    ];
    if (logins.length > 1)
        problems.push(`${logins.join(' and ')} exclude each other: give one login for NATS`);
    const { eventBytesMax, appendBytesMax } = values;
    if (eventBytesMax !== undefined && appendBytesMax !== undefined && eventBytesMax > appendBytesMax) {
        problems.push(`${nameOf('eventBytesMax')} (${eventBytesMax.toString()}) must not be above ` +
            `${nameOf('appendBytesMax')} (${appendBytesMax.toString()})`);
    }
    return problems;
}
function externalNats({ servers, tls, login }, values) {
    const { natsTlsCa: caFile, natsTlsCert: certFile, natsTlsKey: keyFile } = values;
    return {
        kind: 'external',
        options: {
            servers,
            user: login?.kind === 'user' ? login.user : values.natsUser,
            password: login?.kind === 'user' ? login.password : values.natsPassword,
            token: login?.kind === 'token' ? login.token : values.natsToken,
            credsFile: values.natsCreds,
            tls: tls || (caFile ?? certFile) !== undefined ? { caFile, certFile, keyFile } : undefined,
            ...connections(values),
        },
    };
}
function embeddedNats(values, env) {
    return {
        kind: 'embedded',
        dataDir: (0, node_path_1.resolve)(values.dataDir),
        sync: values.sync,
        serverPath: values.natsServer,
        cacheDir: values.cacheDir ?? (0, nats_binary_1.defaultCacheDir)(env),
        releaseMirror: values.releaseMirror,
        env,
        connections: connections(values),
    };
}
function connections({ connectTimeoutMs, appendConnections, readConnections, }) {
    return { connectTimeoutMs, appendConnections, readConnections };
}
function shown(key, text) {
    const { secret } = settings_1.settings[key];
    if (secret === undefined)
        return text;
    return secret === 'all' ? '***' : (0, nats_url_1.withoutCredentials)(text);
}
