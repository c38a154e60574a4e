import { deepStrictEqual, ok } from 'node:assert';
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { RecordedEvent, SluiceClient } from '../../src/client/client';
import type { ProgramCommand, ProgramGateway } from './order-programs';

/** What the programs of examples/course-subscription must do, also when several work on the same courses at the same time. */

const seats = 4;
const coursesMax = 3;
const courses = Array.from({ length: 6 }, (_, i) => `course-${i + 1}`);
const students = Array.from({ length: 10 }, (_, i) => `student-${i + 1}`);

type Outcome = readonly [line: string, outcome: string];

/** A program under way. */
interface Program extends Disposable {
  /** Gives it lines at the same time, and returns what came of each. */
  give(lines: readonly string[]): Promise<readonly Outcome[]>;
}

function start({ command, cwd, env }: ProgramCommand, address: string): Program {
  const [file = '', ...first] = command;
  const child = spawn(file, [...first, address], { cwd, env: { ...process.env, ...env } });
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (said += text));
  child.on('error', (error) => (said += error.message));
  const printed = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return {
    async give(lines) {
      child.stdin.write(lines.map((line) => `${line}\n`).join(''));
      const outcomes: Outcome[] = [];
      for (let i = 0; i < lines.length; i++) {
        const next = await printed.next();
        if (next.done === true) throw new Error(`it ended: ${said}`);
        const [line = '', ...rest] = next.value.split(': ');
        outcomes.push([line, rest.join(': ')]);
      }
      return outcomes;
    },
    [Symbol.dispose]() {
      child.kill('SIGKILL');
    },
  };
}

/** The students of each course, as the events say. Throws if a rule was ever broken. */
class Subscriptions {
  readonly pairs = new Set<string>();
  private readonly capacities = new Map<string, number>();

  of(name: string): number {
    return Array.from(this.pairs).filter((pair) => pair.split(' ').includes(name)).length;
  }

  take({ type, tags, data }: RecordedEvent): void {
    const tag = (name: string): string =>
      tags.find((one) => one.startsWith(`${name}:`))?.slice(name.length + 1) ?? '';
    const [student, course] = [tag('student'), tag('course')];
    const pair = `${student} ${course}`;
    if (type === 'CapacitySet') this.capacities.set(course, Number(data));
    else if (type === 'StudentUnsubscribed') ok(this.pairs.delete(pair), `${pair}: was not in it`);
    else {
      ok(!this.pairs.has(pair), `${pair}: twice`);
      this.pairs.add(pair);
    }
    ok(this.of(course) <= (this.capacities.get(course) ?? 0), `${course} has more students than seats`);
    if (student !== '') ok(this.of(student) <= coursesMax, `${student} is in too many courses`);
  }
}

/**
 * Programs, each of which gets all lines in another order at the same time. The store must be empty. Throws where something is
 * wrong.
 */
export async function trySubscriptions(
  commands: readonly ProgramCommand[],
  { address, client }: ProgramGateway,
): Promise<void> {
  const programs = commands.map((command) => start(command, address));
  try {
    await playTogether(programs, client);
  } finally {
    for (const program of programs) program[Symbol.dispose]();
  }
}

async function playTogether(programs: readonly Program[], client: SluiceClient): Promise<void> {
  const read = async (): Promise<Subscriptions> => {
    const found = new Subscriptions();
    for await (const event of client.readAll()) found.take(event);
    return found;
  };
  await programs[0]?.give([...courses, 'small'].map((course) => `capacity ${course} ${seats}`));
  const all = students.flatMap((student) => courses.map((course) => `subscribe ${student} ${course}`));
  const outcomes = await Promise.all(
    programs.map((program, i) => program.give(i % 2 === 0 ? all : all.toReversed())),
  );
  const found = await read();
  const done = outcomes.flat().filter(([, outcome]) => outcome === 'subscribed');
  const pairs = done.map(([line]) => line.replace('subscribe ', ''));
  deepStrictEqual(pairs.sort().join(), Array.from(found.pairs).sort().join());
  // Nobody has left meanwhile: what stood against a line still does.
  for (const [line, outcome] of outcomes.flat()) {
    const [, student = '', course = ''] = line.split(' ');
    const isRight = {
      subscribed: true,
      'refused: the student is in it already': found.pairs.has(`${student} ${course}`),
      'refused: it is full': found.of(course) === seats,
      [`refused: the student is in ${coursesMax} courses`]: found.of(student) === coursesMax,
    }[outcome];
    ok(isRight, `${line}: ${outcome}`);
  }
  for (const program of programs) {
    const [pair = ''] = found.pairs;
    const [student = '', course = ''] = pair.split(' ');
    const inTurn = async (line: string): Promise<string | undefined> => (await program.give([line]))[0]?.[1];
    const said = [
      await inTurn(`unsubscribe ${pair}`),
      await inTurn(`unsubscribe ${pair}`),
      await inTurn(`subscribe ${pair}`),
      await inTurn(`subscribe ${student} no-course`),
      await inTurn(`capacity ${course} 0`),
      await inTurn('capacity small 7'),
      await inTurn('capacity small x'),
    ];
    deepStrictEqual(
      said.join(),
      [
        'unsubscribed',
        'refused: the student is not in it',
        'subscribed',
        'refused: there is no such course',
        `refused: it has ${found.of(course)} students`,
        'set',
        'failed: not a command',
      ].join(),
    );
  }
  await read();
}
