import type { Options } from './arguments';
import { commonOptions, type Command } from './command';

const exitCodes = `Exit codes:
  0  success; also if the reader of the output closes it early
  1  failure, or doctor or unreadable found a problem, or auth check says no
  2  invalid command line, or the gateway refused the request as invalid
  3  conflict: the stream, the commit id or the consumer group is not as expected
  4  the gateway or its store is unreachable, overloaded or too slow; try again
  5  the append may or may not be stored; repeat it with the same commit id
  6  the gateway does not accept the token or certificate, or does not grant this
  130, 143  ended by SIGINT (Ctrl-C) or SIGTERM
`;

/** The text of `sluice COMMAND --help`. */
export function commandHelp(command: Command): string {
  const { name, usage, summary, details, options } = command;
  const own = Object.fromEntries(Object.entries(options).filter(([option]) => !(option in commonOptions)));
  return [
    `${summary}\n`,
    `Usage:\n  sluice ${[name, usage, '[options]'].filter((part) => part !== '').join(' ')}\n`,
    `${details}\n`,
    ...(Object.keys(own).length === 0 ? [] : [`Options:\n${optionLines(own)}`]),
    `Options of every command:\n${optionLines(commonOptions)}`,
    exitCodes,
  ].join('\n');
}

/** A line for each command, for `sluice --help`. */
export function commandLines(commands: readonly Command[]): string {
  return commands.map(({ name, summary }) => `  ${name.padEnd(12)} ${summary}\n`).join('');
}

function optionLines(options: Options): string {
  return Object.entries(options)
    .map(([name, { value, help }]) => `  --${name}${value === undefined ? '' : ` ${value}`}\n      ${help}\n`)
    .join('');
}
