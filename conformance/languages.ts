import { cp, mkdir, readFile, writeFile } from 'node:fs/promises';
import { delimiter, join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import ts from 'typescript';
import { blocks } from '../test/docs/markdown';
import { run } from './run';

/** Where a language is built. */
export interface Workshop {
  /** A copy of the language's folder, with proto/ and stubs/ beside its files. */
  readonly folder: string;
  /** A folder that stays from build to build, for what the tools of the language fetch and keep. */
  readonly cache: string;
  /** The section of docs/clients.md about the language. */
  readonly page: string;
  /** The one about its tokens. */
  readonly tokenPage: string;
  /** The section of docs/conditions.md about the language. */
  readonly conditionPage: string;
}

/** A language of docs/clients.md. */
export interface Language {
  readonly name: string;
  /** The heading of its section in docs/clients.md. */
  readonly title: string;
  /** Commands that tell the versions of what it needs. */
  readonly tools: readonly (readonly string[])[];
  /** Makes its stubs, its runner, and the program of its section. What is needed afterwards is in the two folders. */
  build(workshop: Workshop): Promise<void>;
  /** Makes its calls over HTTP, which has those with one request alone. */
  readonly isHttp?: true;
  /** Starts what was built, of a language that plays the cases; the address of a gateway follows. */
  runner?(folder: string, cache: string): readonly string[];
  /** Starts the program, of a language that is also compiled; its arguments follow. */
  program?(folder: string, cache: string): readonly string[];
  /** Starts the program that sends a token, of a language that has one; its arguments follow. */
  tokenProgram?(folder: string, cache: string): readonly string[];
  /** Starts the program of docs/conditions.md, of a language that has one; the address of a gateway follows. */
  conditionProgram?(folder: string, cache: string): readonly string[];
  /** The same as `program` with stubs by buf, where the section has another way as well. */
  programByBuf?(folder: string, cache: string): readonly string[];
}

/** What Maven calls the machine that the commands of docs/clients.md are written for, and this one. */
const pageMachine = 'linux-x86_64';
const thisMachine = `${process.platform === 'darwin' ? 'osx' : 'linux'}-${process.arch === 'arm64' ? 'aarch_64' : 'x86_64'}`;

/** Folders of the project with programs that commands name. */
const buf = join(process.cwd(), 'node_modules', '.bin');

interface CommandOptions {
  /** Where they are run, in the folder of the workshop; proto/ and stubs/ are there. */
  readonly within?: string;
  /** Searched for programs, before the PATH. */
  readonly programs?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

/** The last commands of a section, which are those with buf, as they stand there. */
async function runBuf({ folder, page }: Workshop, options: CommandOptions = {}): Promise<void> {
  const commands = blocksOf(page, 'sh').at(-1) ?? '';
  if (!commands.includes('buf generate')) throw new Error(`no commands with buf: ${commands}`);
  const { within = '.', programs = [], env = {} } = options;
  await runCommands(commands.replaceAll(pageMachine, thisMachine), join(folder, within), {
    programs: [buf, ...programs],
    env,
  });
}

async function runCommands(
  commands: string,
  cwd: string,
  { programs = [], env = {} }: Omit<CommandOptions, 'within'>,
): Promise<void> {
  const path = [...programs, process.env['PATH']].join(delimiter);
  await run(['sh', '-e', '-c', commands], { cwd, env: { ...env, PATH: path } });
}

function blocksOf(page: string, language: string): string[] {
  return blocks(page).flatMap((block) => (block.language === language ? [block.code] : []));
}

/** The program of a section, its last block in that language. */
function programOf(page: string, language: string): string {
  const program = blocksOf(page, language).at(-1);
  if (program === undefined) throw new Error(`the section has no program in ${language}`);
  return program;
}

/** Compiled together with this file. */
const client = join(__dirname, '..', 'src', 'client', 'client.js');

const typescript: Language = {
  name: 'typescript',
  title: 'TypeScript',
  tools: [['node', '--version']],
  async build({ folder, page, tokenPage }) {
    // The runner is compiled together with this file, from generated/.
    const options = { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ES2022 };
    for (const [name, text] of [
      ['shop', page],
      ['version', tokenPage],
    ] as const) {
      const program = ts.transpile(programOf(text, 'ts'), options);
      // A build may be of another checkout than the client.
      const imported = /^import (.+) from 'sluice-eventstore';$/m;
      if (!imported.test(program)) throw new Error('the program does not import the client');
      const made = program.replace(imported, 'const $1 = await import(process.argv.splice(2, 1)[0]);');
      await writeFile(join(folder, `${name}.mjs`), made);
    }
  },
  runner: () => [process.execPath, join(__dirname, 'typescript', 'main.js')],
  program: (folder) => [process.execPath, join(folder, 'shop.mjs'), pathToFileURL(client).href],
  tokenProgram: (folder) => [process.execPath, join(folder, 'version.mjs'), pathToFileURL(client).href],
};

const connect: Language = {
  name: 'connect',
  title: 'Plain HTTP',
  tools: [['node', '--version']],
  isHttp: true,
  // Its runner is compiled together with this file.
  build: () => Promise.resolve(),
  runner: () => [process.execPath, join(__dirname, 'connect', 'main.js')],
};

const go: Language = {
  name: 'go',
  title: 'Go',
  tools: [['go', 'version']],
  async build(workshop) {
    const { folder, page, tokenPage, conditionPage } = workshop;
    await runBuf(workshop);
    for (const [name, text] of [
      ['shop', page],
      ['version', tokenPage],
    ] as const) {
      await mkdir(join(folder, name));
      await writeFile(join(folder, name, 'main.go'), programOf(text, 'go'));
    }
    for (const name of ['.', './shop', './version']) {
      await run(['go', 'build', '-o', join('bin', name, 'run'), name], { cwd: folder });
    }
    // With the Go client, which has stubs of its own.
    const own = join(folder, 'enrol');
    await mkdir(own);
    const client = resolve('clients', 'go');
    const module = await readFile(join(client, 'go.mod'), 'utf8');
    const path = /^module (.+)$/m.exec(module)?.[1] ?? '';
    const required = `require ${path} v0.0.0\nreplace ${path} => ${client}\n`;
    await writeFile(join(own, 'go.mod'), module.replace(`module ${path}`, 'module enrol') + required);
    await cp(join(client, 'go.sum'), join(own, 'go.sum'));
    await writeFile(join(own, 'main.go'), programOf(conditionPage, 'go'));
    await run(['go', 'build', '-o', join('..', 'bin', 'enrol'), '.'], { cwd: own });
  },
  runner: (folder) => [join(folder, 'bin', 'run')],
  program: (folder) => [join(folder, 'bin', 'shop', 'run')],
  tokenProgram: (folder) => [join(folder, 'bin', 'version', 'run')],
  conditionProgram: (folder) => [join(folder, 'bin', 'enrol')],
};

const pythonIn = (cache: string): string => join(cache, 'venv', 'bin');
const python: Language = {
  name: 'python',
  title: 'Python',
  tools: [['python3', '--version']],
  async build(workshop) {
    const { folder, cache, page, tokenPage, conditionPage } = workshop;
    const bin = pythonIn(cache);
    await run(['python3', '-m', 'venv', join(cache, 'venv')], { cwd: folder });
    await run([join(bin, 'pip'), 'install', '--quiet', '--requirement', 'requirements.txt'], { cwd: folder });
    const [protocCommand = 'false'] = blocksOf(page, 'sh');
    await runCommands(protocCommand, folder, { programs: [bin] });
    // Not as `grpc`, which is the name of the library.
    const services = ['health/v1/health', 'reflection/v1/reflection', 'reflection/v1alpha/reflection'];
    const protoc = ['python', '-m', 'grpc_tools.protoc', '--proto_path=grpc_protos=proto/grpc'];
    await run(
      [
        ...protoc,
        '--python_out=.',
        '--grpc_python_out=.',
        ...services.map((name) => `proto/grpc/${name}.proto`),
      ],
      { cwd: folder, env: { PATH: [bin, process.env['PATH']].join(delimiter) } },
    );
    const program = programOf(page, 'python');
    await writeFile(join(folder, 'shop.py'), program);
    await writeFile(join(folder, 'version.py'), programOf(tokenPage, 'python'));
    // With the Python client, which is found beside the program.
    const client = join('clients', 'python', 'src');
    await cp(client, join(folder, 'enrol'), {
      recursive: true,
      filter: (path) => !path.includes('__pycache__'),
    });
    await writeFile(join(folder, 'enrol', 'enrol.py'), programOf(conditionPage, 'python'));
    const byBuf = join(folder, 'buf');
    for (const name of ['proto', 'stubs'])
      await cp(join(folder, name), join(byBuf, name), { recursive: true });
    await runBuf(workshop, { within: 'buf', programs: [bin] });
    await writeFile(join(byBuf, 'shop.py'), program);
  },
  runner: (folder, cache) => [join(pythonIn(cache), 'python'), join(folder, 'runner.py')],
  program: (folder, cache) => [join(pythonIn(cache), 'python'), join(folder, 'shop.py')],
  tokenProgram: (folder, cache) => [join(pythonIn(cache), 'python'), join(folder, 'version.py')],
  conditionProgram: (folder, cache) => [join(pythonIn(cache), 'python'), join(folder, 'enrol', 'enrol.py')],
  programByBuf: (folder, cache) => [join(pythonIn(cache), 'python'), join(folder, 'buf', 'shop.py')],
};

const rust: Language = {
  name: 'rust',
  title: 'Rust',
  tools: [
    ['cargo', '--version'],
    ['cc', '--version'],
  ],
  async build(workshop) {
    const { folder, cache, page, tokenPage, conditionPage } = workshop;
    const program = programOf(page, 'rust');
    await mkdir(join(folder, 'src', 'bin'));
    await writeFile(join(folder, 'src', 'bin', 'shop.rs'), program);
    await writeFile(join(folder, 'src', 'bin', 'version.rs'), programOf(tokenPage, 'rust'));
    await writeFile(join(folder, 'src', 'bin', 'enrol.rs'), programOf(conditionPage, 'rust'));
    const target = join(cache, 'target');
    await runBuf(workshop, {
      programs: [join(cache, 'bin')],
      // Nothing here is worth the time that optimizing takes.
      env: {
        CARGO_INSTALL_ROOT: cache,
        CARGO_TARGET_DIR: target,
        CARGO_PROFILE_RELEASE_OPT_LEVEL: '0',
      },
    });
    const byBuf = program.replaceAll(/tonic::include_proto!\("([\w.]+)"\)/g, 'include!("../gen/$1.rs")');
    await writeFile(join(folder, 'src', 'bin', 'by-buf.rs'), byBuf);
    await run(['cargo', 'build', '--quiet', '--locked'], { cwd: folder, env: { CARGO_TARGET_DIR: target } });
    await mkdir(join(folder, 'bin'));
    for (const name of ['runner', 'shop', 'version', 'enrol', 'by-buf']) {
      await cp(join(target, 'debug', name), join(folder, 'bin', name));
    }
  },
  runner: (folder) => [join(folder, 'bin', 'runner')],
  program: (folder) => [join(folder, 'bin', 'shop')],
  tokenProgram: (folder) => [join(folder, 'bin', 'version')],
  conditionProgram: (folder) => [join(folder, 'bin', 'enrol')],
  programByBuf: (folder) => [join(folder, 'bin', 'by-buf')],
};

const librariesIn = (folder: string): string => join(folder, 'target', 'libraries', '*');
const javaCommand = (folder: string, main: string, classes = 'classes'): readonly string[] => [
  'java',
  '-XX:TieredStopAtLevel=1',
  '-cp',
  [join(folder, 'target', classes), librariesIn(folder)].join(delimiter),
  main,
];
const javaTools = [
  ['javac', '-version'],
  ['mvn', '--version'],
];
const java: Language = {
  name: 'java',
  title: 'Java',
  tools: javaTools,
  async build(workshop) {
    const { folder, page, tokenPage, conditionPage } = workshop;
    const program = programOf(page, 'java');
    const sourceFolder = join(folder, 'src', 'main', 'java');
    await writeFile(join(sourceFolder, 'Shop.java'), program);
    await writeFile(join(sourceFolder, 'Version.java'), programOf(tokenPage, 'java'));
    await writeFile(join(sourceFolder, 'Enrol.java'), programOf(conditionPage, 'java'));
    await run(['mvn', '--quiet', '--batch-mode', 'package'], { cwd: folder });
    await runBuf(workshop);
    await writeFile(join(folder, 'gen', 'Shop.java'), program);
    const compile = ['javac', '-cp', librariesIn(folder), '-d', join('target', 'by-buf')];
    const sources = ['-sourcepath', join('gen', 'java'), join('gen', 'Shop.java')];
    await run([...compile, ...sources], { cwd: folder });
  },
  runner: (folder) => javaCommand(folder, 'Runner'),
  program: (folder) => javaCommand(folder, 'Shop'),
  tokenProgram: (folder) => javaCommand(folder, 'Version'),
  conditionProgram: (folder) => javaCommand(folder, 'Enrol'),
  programByBuf: (folder) => javaCommand(folder, 'Shop', 'by-buf'),
};

const kotlin: Language = {
  name: 'kotlin',
  title: 'Kotlin',
  tools: javaTools,
  async build(workshop) {
    const { folder, page, tokenPage } = workshop;
    await runBuf(workshop);
    const sources = join(folder, 'src', 'main', 'kotlin');
    await mkdir(sources, { recursive: true });
    await writeFile(join(sources, 'Shop.kt'), programOf(page, 'kotlin'));
    await writeFile(join(sources, 'Version.kt'), programOf(tokenPage, 'kotlin'));
    await run(['mvn', '--quiet', '--batch-mode', 'package'], { cwd: folder });
  },
  program: (folder) => javaCommand(folder, 'ShopKt'),
  tokenProgram: (folder) => javaCommand(folder, 'VersionKt'),
};

const csharp: Language = {
  name: 'csharp',
  title: 'C#',
  tools: [
    ['protoc', '--version'],
    ['sh', '-c', 'command -v grpc_csharp_plugin'],
  ],
  async build(workshop) {
    await runBuf(workshop);
    // The client is not compiled: that needs packages of NuGet.
    const client = await readFile(join(workshop.folder, 'gen', 'csharp', 'EventStoreServiceGrpc.cs'), 'utf8');
    if (!client.includes('class EventStoreServiceClient')) throw new Error('there is no client');
  },
};

export const languages: readonly Language[] = [typescript, connect, go, python, rust, java, kotlin, csharp];
