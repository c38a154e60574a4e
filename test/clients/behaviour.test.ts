import { haveOpenssl } from '../support/tools';
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
/** The cases of all languages take turns, and the first tests wait for their drivers and the gateways as well. */
const caseTimeoutMs = 600_000;

/** A language whose cases are under way. */
interface Playing {
  readonly driver: Driver;
  /** Of each case, by its name. */
  readonly outcomes: ReadonlyMap<string, Promise<void>>;
}

let gateways: Gateways;
const playing = new Map<Language, Promise<Playing>>();
beforeAll(async () => {
  gateways = await Gateways.start();
  const side = new Turns(atATime);
  for (const language of languages.filter(hasTools)) {
    const begun = begin(language, side);
    begun.catch(() => undefined); // its tests report it
    playing.set(language, begun);
  }
});
afterAll(() => gateways[Symbol.asyncDispose]());

async function begin(language: Language, side: Turns): Promise<Playing> {
  const { command, env } = await language.build();
  const driver = await startDriver(command, env);
  process.stderr.write(`${language.name}: ${driver.versions}\n`);
  return { driver, outcomes: playAll(driver, language, side) };
}

/** Why a case is left out; undefined: it is not. */
function leftOut({ tls }: CaseFile, testCase: Case, { name, lacks }: Language): string | undefined {
  if (tls.length > 0 && !haveOpenssl()) return 'without openssl';
  const text = JSON.stringify(testCase);
  const lacking = lacks.some((command) => text.includes(`"do":"${command}"`));
  return lacking ? `of ${name}, which lacks a command` : undefined;
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
function playAll(driver: Driver, language: Language, side: Turns): Map<string, Promise<void>> {
  const outcomes = new Map<string, Promise<void>>();
  for (const [fileIndex, file] of files.entries()) {
    const turns = file.own ? new Turns(1) : side;
    for (const [index, testCase] of file.cases.entries()) {
      if (leftOut(file, testCase, language) !== undefined) continue;
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
  const ca = file.tls.length > 0 ? await gateways.ca() : '';
  const withTls = await Promise.all(file.tls.map((name) => gateways.getWithTls(name)));
  const behind = file.tls.length > 0 ? withTls : testCase.shared.map((is) => (is ? shared : gateway));
  await play(testCase, { ...stage, gateway, behind, names: file.tls, values: { ...file.tokens, ca } });
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
  let outcomes: Playing['outcomes'] = new Map();
  beforeAll(async () => {
    const begun = await playing.get(language);
    driver = begun?.driver;
    outcomes = begun?.outcomes ?? outcomes;
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
      const why = leftOut(file, testCase, language);
      if (why === undefined) test(name, async () => outcomes.get(name), caseTimeoutMs);
      else process.stderr.write(`LEFT OUT ${why}: ${name}\n`);
    }
  }
});
