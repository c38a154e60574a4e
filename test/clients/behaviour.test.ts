import { Gateways } from './gateways';
import { readCaseFiles, type Case, type CaseFile } from './case-file';
import { startDriver, type Driver } from './driver';
import { hasTools, languages, type Language } from './languages';
import { play } from './play';

/** The clients of all languages, judged by the same cases: see README.md. */

const files = readCaseFiles();
/** A case is mostly waiting. */
const atATime = 12;
const startTimeoutMs = 300_000;
/** All cases of a language begin at the same time, and the first tests wait for the gateways as well. */
const caseTimeoutMs = 180_000;

let gateways: Gateways;
beforeAll(async () => {
  gateways = await Gateways.start();
});
afterAll(() => gateways[Symbol.asyncDispose]());

/** Whether a language has all commands of a case. */
function canPlay(testCase: Case, { lacks }: Language): boolean {
  const text = JSON.stringify(testCase);
  return !lacks.some((command) => text.includes(`"do":"${command}"`));
}

/** Runs a few at a time, in order. */
class Turns {
  private readonly waiting: (() => void)[] = [];

  constructor(private free: number) {}

  async run<Result>(work: () => Promise<Result>): Promise<Result> {
    if (this.free === 0) await new Promise<void>((resolve) => this.waiting.push(resolve));
    else this.free--;
    try {
      return await work();
    } finally {
      const next = this.waiting.shift();
      if (next === undefined) this.free++;
      else next();
    }
  }
}

/** Begins all cases of a language. Those of a file with a gateway of its own follow each other. */
function playAll(driver: Driver, language: Language): Map<string, Promise<void>> {
  const outcomes = new Map<string, Promise<void>>();
  const side = new Turns(atATime);
  for (const [fileIndex, file] of files.entries()) {
    const turns = file.own ? new Turns(1) : side;
    for (const [index, testCase] of file.cases.entries()) {
      if (!canPlay(testCase, language)) continue;
      const prefix = `${language.name}-${fileIndex}-${index}`;
      const outcome = turns.run(() => playOne(testCase, { file, driver, language, prefix }));
      outcome.catch(() => undefined); // its test reports it
      outcomes.set(nameOf(file, testCase), outcome);
    }
  }
  return outcomes;
}

function nameOf({ about }: CaseFile, { name }: Case): string {
  return `${about}: ${name}`;
}

async function playOne(
  testCase: Case,
  {
    file,
    language,
    ...stage
  }: {
    readonly file: CaseFile;
    readonly driver: Driver;
    readonly language: Language;
    readonly prefix: string;
  },
): Promise<void> {
  const plain = { auth: undefined, tokens: {} };
  const shared = await gateways.get('shared', plain);
  const own = file.own ? `${file.about} of ${language.name}` : file.about;
  const gateway = file.own || file.auth !== undefined ? await gateways.get(own, file) : shared;
  await play(testCase, { ...stage, gateway, shared, tokens: file.tokens });
}

describe.each(languages)('$name', (language) => {
  if (!hasTools(language)) {
    process.stderr.write(`SKIPPED: the client of ${language.name}, without ${language.tool[0]}\n`);
    const missing = process.env['CI'] === 'true' ? test : test.skip;
    missing('has its tools', () => {
      throw new Error(`CI needs ${language.tool.join(' ')}`);
    });
    return;
  }
  let driver: Driver | undefined;
  let outcomes = new Map<string, Promise<void>>();
  beforeAll(async () => {
    const { command, env } = await language.build();
    driver = await startDriver(command, env);
    process.stderr.write(`${language.name}: ${driver.versions}\n`);
    outcomes = playAll(driver, language);
  }, startTimeoutMs);
  afterAll(async () => {
    await driver?.[Symbol.asyncDispose]();
    // A case that goes on although its test has failed ends now.
    await Promise.allSettled(outcomes.values());
  }, startTimeoutMs);

  test('its driver has the commands that it should have', () => {
    expect(driver?.lacks).toEqual(language.lacks);
  });

  for (const file of files) {
    for (const testCase of file.cases) {
      const name = nameOf(file, testCase);
      if (canPlay(testCase, language)) test(name, async () => outcomes.get(name), caseTimeoutMs);
      else process.stderr.write(`LEFT OUT of ${language.name}, which lacks a command: ${name}\n`);
    }
  }
});
