import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Base } from '../../src/jetstream/append/next';
import { canRun, commands } from './commands';
import { headAt, ModelledAppend } from './modelled-append';

/**
 * Stories of appends, as text: see README.md in this folder. Every file is a list of commands, each with the decision and the log
 * that must follow.
 */

interface Scene {
  readonly line: number;
  readonly command: string;
  readonly expected: string;
}

function scenesOf(text: string): Scene[] {
  const scenes: Scene[] = [];
  let [command, line] = ['', 0];
  let expected: string[] | undefined;
  const end = (): void => {
    if (expected !== undefined) scenes.push({ line, command, expected: expected.join('\n') });
    expected = undefined;
  };
  for (const [index, row] of text.split('\n').entries()) {
    if (row.startsWith('#') || row.trim() === '') end();
    else if (row === '----') expected = [];
    else if (expected !== undefined) expected.push(row);
    else [command, line] = [row, index + 1];
  }
  end();
  return scenes;
}

/** The commits of streams, which are divided by "|". */
function streamsOf(text: string): string[][] {
  return text.split('|').map((commits) => commits.split(' ').filter((commit) => commit !== ''));
}

class Story {
  private append = new ModelledAppend([[]]);

  run(command: string): string {
    const [verb = '', ...rest] = command.split(' ');
    if (verb === 'log') this.append = new ModelledAppend(streamsOf(rest.join(' ')));
    else this.act(command, rest);
    return this.describe();
  }

  private act(command: string, rest: readonly string[]): void {
    const { append } = this;
    const known = commands[command];
    if (known !== undefined) {
      if (!canRun(known, append)) throw new Error(`that cannot happen now: ${command}`);
      known.run(append);
    } else if (command === 'the server remembers X') append.remembered.add('X');
    else if (command.startsWith('append X')) this.begin(command);
    else if (command.startsWith('another appends'))
      append.otherAppends(rest[1] ?? '', Number(rest[4] ?? 1) - 1);
    else throw new Error(`no such command: ${command}`);
  }

  /** `append X [on version N], knowing COMMIT...|nothing` */
  private begin(command: string): void {
    const [, version, knowledge = ''] = /^append X(?: on version (\d+))?, knowing (.*)$/.exec(command) ?? [];
    const { streams, remembered } = this.append;
    if (version !== undefined) this.append = new ModelledAppend(streams, [Number(version)]);
    for (const id of remembered) this.append.remembered.add(id);
    this.append.begin(knowledge === 'nothing' ? undefined : this.baseAfter(knowledge));
  }

  private baseAfter(commits: string): Base {
    return commits.split('|').map((commit, stream) => {
      const index = (this.append.streams[stream] ?? []).indexOf(commit.trim());
      return headAt(index + 1);
    });
  }

  private describe(): string {
    const { action, state, streams } = this.append;
    const lines = action === undefined ? [] : [this.decision()];
    if (state.doubt !== undefined) lines.push(`in doubt after ${this.name(state.doubt.base)}`);
    if (state.isRemembered) lines.push('remembered by the server');
    lines.push(`log ${streams.map((commits) => commits.join(' ')).join(' | ')}`.trim());
    return lines.join('\n');
  }

  private decision(): string {
    const { action } = this.append;
    const again = action !== undefined && 'isRetry' in action && action.isRetry ? ' again' : '';
    switch (action?.kind) {
      case 'publish':
        return `-> publish${again} after ${this.name(action.base)}`;
      case 'lookUp':
        return `-> look up${again}`;
      case 'find':
        return '-> find the commit that the server remembers';
      case 'acknowledge':
        return '-> ACKNOWLEDGE';
      case 'leave':
        return '-> NOTHING TO DO';
      case 'reject':
        return `-> REJECT: ${(action.error as Error).message}`;
      case 'expire':
        return '-> REJECT: deadline exceeded';
      case 'giveUp':
        return '-> OUTCOME UNKNOWN';
      default:
        return '';
    }
  }

  private name(base: Base): string {
    const names = base.map(
      ({ sequence }, stream) => this.append.streams[stream]?.[Number(sequence) - 1] ?? 'the beginning',
    );
    return names.join(' | ');
  }
}

const files = readdirSync(__dirname).filter((file) => file.endsWith('.txt'));

test('there are scenarios', () => {
  expect(files.length).toBeGreaterThan(6);
});

describe.each(files)('%s', (file) => {
  const text = readFileSync(join(__dirname, file), 'utf8');
  const scenes = scenesOf(text);
  // A story begins with its log.
  const begins = scenes.flatMap(({ command }, index) => (command.startsWith('log') ? [index] : []));
  test.each(
    begins.map((begin, index) => [scenes[begin]?.line, scenes.slice(begin, begins[index + 1])] as const),
  )('from line %i', (_line, story) => {
    const played = new Story();
    const lines = (scene: Scene, outcome: string): string =>
      `${scene.line}: ${scene.command}\n----\n${outcome}\n`;
    const seen = story.map((scene) => lines(scene, played.run(scene.command)));
    expect(seen.join('\n')).toBe(story.map((scene) => lines(scene, scene.expected)).join('\n'));
  });
});
