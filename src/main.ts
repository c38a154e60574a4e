import { commandDefaults } from './config/config';

function isOperatorVerb(word: string): word is 'backup' | 'restore' | 'verify' {
  return ['backup', 'restore', 'verify'].includes(word);
}

/** Loads only what a command needs, so that no command waits until the gateway is loaded. */
async function main(given: readonly string[]): Promise<number> {
  const words = given[0] === 'help' ? [...given.slice(1), '--help'] : given;
  const [first = ''] = words;
  if (first === 'replica') {
    const { replicaCommand } = await import('./replica-command.js');
    return replicaCommand(words.slice(1));
  }
  if (isOperatorVerb(first)) {
    const { operatorCommand } = await import('./operator/command.js');
    return operatorCommand(first, words.slice(1));
  }
  if (/^[^-]/.test(first) && first !== 'serve') {
    const { runCommand } = await import('./cli/run.js');
    return runCommand(words, commandDefaults());
  }
  const { serve } = await import('./serve/serve.js');
  return serve(first === 'serve' ? words.slice(1) : words);
}

// A closed stdout must not end the process.
process.stdout.on('error', () => undefined);
void main(process.argv.slice(2)).then((code) => process.stdout.write('', () => process.exit(code)));
