import type { Options } from './arguments';
import { commonOptions, type Command } from './command';

const exitCodes = `Exit codes:
  0  done; also when whoever reads the output has had enough
  1  it failed, or doctor or unreadable found something
  2  the command line is wrong, or the gateway refuses the request as invalid
  3  conflict: the stream is not at that version, or the commit id belongs to another commit
  4  the gateway or its store cannot be reached, is overloaded or too slow; try again
  5  the append may be stored or not: repeat it with the same commit id
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
