import type { Command } from './command';
import { otherCommands, type Completed } from './other-commands';

const programs = ['sluice', 'sluice-eventstore'];
/** The other words that `sluice` accepts as a command. */
const otherWords = ['help', 'completion'];

const shells: Readonly<Record<string, (commands: readonly Completed[]) => string>> = {
  bash: forBash,
  zsh: (commands) => `autoload -U +X bashcompinit && bashcompinit\n${forBash(commands)}`,
  fish: forFish,
};

/** The shells that completion supports. */
export const completionShells = Object.keys(shells);

/** A script that completes these commands and all others, and options, in a shell; undefined: the shell is unknown. */
export function completionScript(shell: string, commands: readonly Command[]): string | undefined {
  return Object.hasOwn(shells, shell) ? shells[shell]?.([...otherCommands, ...commands]) : undefined;
}

function forBash(commands: readonly Completed[]): string {
  const names = [...otherWords, ...commands.map(({ name }) => name)];
  const cases = commands.map(({ name, options, verbs = [] }) => {
    const flags = Object.keys(options).map((option) => `--${option}`);
    const verb = verbs.length === 0 ? '' : ` [ "$COMP_CWORD" -eq 2 ] && words="${verbs.join(' ')}"`;
    return `    ${name}) words="${flags.join(' ')}"${verb && `;${verb}`} ;;\n`;
  });
  return [
    '_sluice() {\n',
    '  local words\n',
    '  case "${COMP_WORDS[1]}" in\n',
    ...cases,
    `    help) words="${commands.map(({ name }) => name).join(' ')}" ;;\n`,
    `    completion) words="${completionShells.join(' ')}" ;;\n`,
    '  esac\n',
    `  if [ "$COMP_CWORD" -eq 1 ]; then words="${names.join(' ')}"; fi\n`,
    '  COMPREPLY=($(compgen -W "$words" -- "${COMP_WORDS[COMP_CWORD]}"))\n',
    '}\n',
    // Where nothing fits, files and folders.
    `complete -o default -F _sluice ${programs.join(' ')}\n`,
  ].join('');
}

function forFish(commands: readonly Completed[]): string {
  const lines = programs.flatMap((program) => [
    `complete -c ${program} -n __fish_use_subcommand -f -a '${otherWords.join(' ')}'`,
    ...commands.flatMap(({ name, summary, options, verbs = [] }) => [
      `complete -c ${program} -n __fish_use_subcommand -f -a ${name} -d ${quoted(summary)}`,
      ...verbs.map(
        (verb) =>
          `complete -c ${program} -n '__fish_seen_subcommand_from ${name}; and not __fish_seen_subcommand_from ${verbs.join(' ')}' -f -a ${verb}`,
      ),
      ...Object.entries(options).map(
        ([option, { help }]) =>
          `complete -c ${program} -n '__fish_seen_subcommand_from ${name}' -l ${option} -d ${quoted(help)}`,
      ),
    ]),
  ]);
  return `${lines.join('\n')}\n`;
}

function quoted(text: string): string {
  return `'${text.replace(/[\\']/g, '\\$&')}'`;
}
