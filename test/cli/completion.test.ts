import { execFileSync } from 'node:child_process';
import { completionScript, completionShells } from '../../src/cli/completion';
import { otherCommands } from '../../src/cli/other-commands';
import { commands } from '../../src/cli/run';
import { runSluice } from './process';

/** The completions that bash offers for the last of these words. */
function offered(script: string, words: readonly string[]): string[] {
  const quoted = words.map((word) => `'${word}'`).join(' ');
  const ask = `COMP_WORDS=(${quoted}); COMP_CWORD=${words.length - 1}; _sluice; echo "\${COMPREPLY[@]}"`;
  return execFileSync('bash', ['-c', `${script}\n${ask}`])
    .toString()
    .trim()
    .split(' ');
}

test('bash completes commands, and the options of each', () => {
  const script = completionScript('bash', commands) ?? '';
  expect(offered(script, ['sluice', 'ex'])).toEqual(['export']);
  expect(offered(script, ['sluice', ''])).toEqual(
    expect.arrayContaining(['serve', 'help', ...commands.map(({ name }) => name)]),
  );
  expect(offered(script, ['sluice', 'append', 'order.1', '--expected'])).toEqual(['--expected-version']);
  expect(offered(script, ['sluice', 'help', 'ta'])).toEqual(['tail']);
  expect(offered(script, ['sluice', 'group', 're'])).toEqual(['reset', 'replay']);
  expect(offered(script, ['sluice', 'group', 'get', '--ev'])).toEqual(['--events']);
  expect(offered(script, ['sluice', 'token', ''])).toEqual(['create', 'list']);
  expect(offered(script, ['sluice', 'back'])).toEqual(['backup']);
  for (const name of ['backup', 'restore', 'verify']) {
    expect(offered(script, ['sluice', name, '--data'])).toEqual(['--data-dir']);
    expect(offered(script, ['sluice', name, '--listen'])).toEqual(['']);
  }
  expect(offered(script, ['sluice', 'serve', '--listen'])).toEqual(['--listen']);
});

test.each(completionShells)('the script for %s has every command and option', async (shell) => {
  const { code, stdout, stderr } = await runSluice(['completion', shell]);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  for (const { name, options } of [...otherCommands, ...commands]) {
    expect(stdout).toContain(name);
    for (const option of Object.keys(options)) expect(stdout).toContain(option);
  }
});

test.each(['tcsh', 'toString', '__proto__'])('no script for %s: an error names the shells', async (shell) => {
  const { code, stderr } = await runSluice(['completion', shell]);
  expect({ code, stderr }).toEqual({
    code: 2,
    stderr: 'sluice: completion needs the name of a shell: bash, zsh, fish\nsee sluice --help\n',
  });
});
