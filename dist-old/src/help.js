"use strict";
Object.defineProperty(exports, "__esModule", { value: true });
exports.helpText = helpText;
const settings_1 = require("./settings");
const titles = {
    gateway: 'Gateway',
    nats: 'An existing NATS',
    embedded: 'Own NATS server, without --nats-url',
    connections: 'Connections to NATS',
    store: 'Store',
    limits: 'Limits',
};
const usage = `sluice: a gRPC event store over NATS JetStream.

Usage:
  sluice [flags]                  serve until SIGTERM or SIGINT; a second signal ends at once
  sluice --print-config [flags]   check the settings and show them, secrets left out
  sluice --version
  sluice --help

Every setting has a flag and an environment variable. The flag wins; an empty variable counts as
not set.
`;
const exitCodes = `Exit codes:
  0  stopped as asked
  1  an unexpected error
  2  the settings cannot be used
  3  NATS or the store cannot be used
  4  cannot listen
`;
/** The text of --help. */
function helpText() {
    const groups = Object.keys(titles).map((group) => {
        const entries = settings_1.keys.filter((key) => settings_1.settings[key].group === group).map(entry);
        return `${titles[group]}:\n${entries.join('')}`;
    });
    return [usage, ...groups, exitCodes].join('\n');
}
function entry(key) {
    const setting = settings_1.settings[key];
    const byDefault = setting.default === undefined ? '' : ` Default: ${setting.default}.`;
    return `  ${(0, settings_1.flagOf)(key)}, ${(0, settings_1.variableOf)(key)}\n${wrap(setting.description + byDefault, 92)}`;
}
function wrap(text, width) {
    const lines = [''];
    for (const word of text.split(' ')) {
        const last = lines.at(-1) ?? '';
        if (last !== '' && last.length + word.length >= width)
            lines.push(word);
        else
            lines[lines.length - 1] = last === '' ? word : `${last} ${word}`;
    }
    return lines.map((line) => `      ${line}\n`).join('');
}
