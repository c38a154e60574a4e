import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startTestGateway } from '../support/gateway';
import { startNats, until } from '../support/nats-server';
import { grpcurlPath } from '../support/tools';
import { blocks, document } from './markdown';
import { asShown, programFolder, startExample, type RunningExample } from './run-example';

/** docs/grpcurl.md, run from top to bottom. */

const exampleAddress = '127.0.0.1:50051';
const folder = mkdtempSync(join(tmpdir(), 'sluice-grpcurl-'));
afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

/** Answers that are there at the same time share a message of a session: it makes no difference whether they were. */
function joinAnswers(text: string): string {
  return text.replace(/\s*\]\s*\}\s*\{\s*"answers": \[/g, ',');
}

interface Step {
  readonly command: string;
  /** What it prints before the next command is run. */
  shown: string;
  /** What it prints after that: it goes on by itself. */
  later: string;
}

/** A command with the text below it. More text further down is what the command before the last goes on to print. */
function stepsOf(page: string): Step[] {
  const steps: Step[] = [];
  let expectsOutput = false;
  for (const { language, code } of blocks(page)) {
    if (language === 'sh') steps.push({ command: code, shown: '', later: '' });
    else {
      const step = steps.at(expectsOutput ? -1 : -2) as Step;
      if (expectsOutput) step.shown = code;
      else step.later += code;
    }
    expectsOutput = language === 'sh';
  }
  return steps;
}

const grpcurl = grpcurlPath();
const withGrpcurl = grpcurl === undefined ? test.skip : test;

withGrpcurl('every command of docs/grpcurl.md prints what is shown', async () => {
  await using nats = await startNats();
  await using gateway = await startTestGateway([nats.url]);
  const programs = programFolder(folder, { grpcurl: grpcurl ?? '' });
  const steps = stepsOf(document('docs/grpcurl.md'));
  expect(steps.length).toBeGreaterThan(20);
  const compare = (printed: string, shown: string): ReturnType<typeof asShown> =>
    asShown(joinAnswers(printed.replaceAll(gateway.address, exampleAddress)), joinAnswers(shown));
  const check = (printed: string, step: string): void => {
    const result = compare(printed, step);
    expect(result.printed).toBe(result.shown);
  };
  /** What goes on by itself has come so far when it has printed this. */
  const cameTo = async (example: RunningExample, shown: string): Promise<void> => {
    const isThere = (): boolean => {
      const result = compare(example.printed(), shown);
      return example.ended() || result.printed === result.shown;
    };
    await until(isThere).catch(() => undefined); // what it has printed instead is said by the check
    check(example.printed(), shown);
  };
  const following: [RunningExample, Step][] = [];
  for (const step of steps) {
    const example = startExample(step.command.replaceAll(exampleAddress, gateway.address), programs, folder);
    if (step.later === '') check(await example.output(), step.shown);
    else {
      following.push([example, step]);
      await cameTo(example, step.shown);
    }
  }
  expect(following.length).toBeGreaterThan(0);
  for (const [example, { shown, later }] of following) {
    await cameTo(example, shown + later);
    example.interrupt();
    await example.output();
  }
});
