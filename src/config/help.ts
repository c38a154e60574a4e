import { flagOf, keys, settings, variableOf, type Group, type Key, type Setting } from './settings';

const titles: Readonly<Record<Group, string>> = {
  gateway: 'Gateway',
  access: 'Access',
  tls: 'TLS of the gateway',
  nats: 'Your own NATS',
  embedded: 'The embedded nats-server, without --nats-url',
  connections: 'Connections to NATS',
  store: 'Store',
  limits: 'Limits',
};

const usage = (commands: string): string => `sluice: a gRPC event store over NATS JetStream.

Usage:
  sluice [serve] [flags]          serve until SIGTERM or SIGINT; a second signal ends it at once
  sluice --print-config [flags]   check the settings and print them with all limits, without secrets
  sluice COMMAND ...              use a running gateway; see sluice COMMAND --help
  sluice replica VERB FOLDER      verify or rebuild the replica of a stopped gateway
  sluice backup FOLDER [flags]    back up the store, without a gateway
  sluice restore FOLDER [flags]   restore a backup
  sluice verify [flags]           read the whole log of the store and check it
  sluice --version
  sluice help [COMMAND]           or --help
  sluice completion SHELL         print a completion script for bash, zsh or fish

Commands:
${commands}
Every setting of serve has a flag and an environment variable. The flag wins. An empty variable
counts as not set; for access, TLS and your own NATS it is an error.
`;

const exitCodes = `Exit codes of serve (the others: sluice COMMAND --help):
  0  stopped as asked
  1  an unexpected error
  2  the settings cannot be used
  3  NATS or the store cannot be used
  4  cannot listen
  5  the disk of the embedded nats-server has failed
`;

/** The text of --help; `commands` has a line for each command beside `serve`. */
export function helpText(commands: string): string {
  const groups = (Object.keys(titles) as Group[]).map((group) => {
    const entries = keys.filter((key) => settings[key].group === group).map(entry);
    return `${titles[group]}:\n${entries.join('')}`;
  });
  return [usage(commands), ...groups, exitCodes].join('\n');
}

function entry(key: Key): string {
  const setting: Setting = settings[key];
  const byDefault = setting.default === undefined ? '' : ` Default: ${setting.default}.`;
  return `  ${flagOf(key)}, ${variableOf(key)}\n${wrap(setting.description + byDefault, 92)}`;
}

function wrap(text: string, width: number): string {
  const lines = [''];
  for (const word of text.split(' ')) {
    const last = lines.at(-1) ?? '';
    if (last !== '' && last.length + word.length >= width) lines.push(word);
    else lines[lines.length - 1] = last === '' ? word : `${last} ${word}`;
  }
  return lines.map((line) => `      ${line}\n`).join('');
}
