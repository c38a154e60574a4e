import { cp, mkdir, readFile, writeFile } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
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
}

/** A language of docs/clients.md. */
export interface Language {
  readonly name: string;
  /** The heading of its section in docs/clients.md. */
  readonly title: string;
  /** Commands that tell the versions of what it needs. */
  readonly tools: readonly (readonly string[])[];
  /** Makes its stubs, its runner, and the example of its section. What is needed afterwards is in the two folders. */
  build(workshop: Workshop): Promise<void>;
  /** Starts what was built, of a language that plays the cases; the address of a gateway follows. */
  runner?(folder: string, cache: string): readonly string[];
  /** Of a language that is also compiled. */
  example?(folder: string, cache: string): readonly string[];
  /** The same with stubs by buf, where the section has another way as well. */
  exampleByBuf?(folder: string, cache: string): readonly string[];
}

/** The gateway of the examples; when run they are given the address of another. */
export const exampleAddress = '127.0.0.1:50051';
const quotedAddress = `"${exampleAddress}"`;

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

/** The example of a section, its last block in that language, with parts of it replaced. */
function exampleOf(page: string, language: string, replaced: Readonly<Record<string, string>>): string {
  let example = blocksOf(page, language).at(-1) ?? '';
  for (const [part, by] of Object.entries(replaced)) {
    if (!example.includes(part)) throw new Error(`the example in ${language} has no ${part}`);
    example = example.replace(part, by);
  }
  return example;
}

/** The same on a stream of its own, since each example must find its stream empty. */
function onAnotherStream(example: string): string {
  if (!example.includes('order.1001')) throw new Error('the example has no order.1001');
  return example.replaceAll('order.1001', 'order.1002');
}

/** Compiled together with this file. */
const client = join(__dirname, '..', 'src', 'client', 'client.js');

const typescript: Language = {
  name: 'typescript',
  title: 'TypeScript',
  tools: [['node', '--version']],
  async build({ folder, page }) {
    // The runner is compiled together with this file, from generated/.
    const example = exampleOf(page, 'ts', { [`'${exampleAddress}'`]: 'process.argv[3]' }).replace(
      /^import (.+) from 'sluice-eventstore';$/m,
      'const $1 = await import(process.argv[2]);',
    );
    const options = { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ES2022 };
    await writeFile(join(folder, 'example.mjs'), ts.transpile(example, options));
  },
  runner: () => [process.execPath, join(__dirname, 'typescript', 'main.js')],
  example: (folder) => [process.execPath, join(folder, 'example.mjs'), pathToFileURL(client).href],
};

const go: Language = {
  name: 'go',
  title: 'Go',
  tools: [['go', 'version']],
  async build(workshop) {
    const { folder, page } = workshop;
    await runBuf(workshop);
    await mkdir(join(folder, 'example'));
    const example = exampleOf(page, 'go', { [quotedAddress]: 'os.Args[1]', 'import (': 'import (\n\t"os"' });
    await writeFile(join(folder, 'example', 'main.go'), example);
    for (const name of ['.', './example']) {
      await run(['go', 'build', '-o', join('bin', name, 'run'), name], { cwd: folder });
    }
  },
  runner: (folder) => [join(folder, 'bin', 'run')],
  example: (folder) => [join(folder, 'bin', 'example', 'run')],
};

const pythonIn = (cache: string): string => join(cache, 'venv', 'bin');
const python: Language = {
  name: 'python',
  title: 'Python',
  tools: [['python3', '--version']],
  async build(workshop) {
    const { folder, cache, page } = workshop;
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
    const example = exampleOf(page, 'python', { [quotedAddress]: 'sys.argv[1]' });
    await writeFile(join(folder, 'example.py'), `import sys\n${example}`);
    const byBuf = join(folder, 'buf');
    for (const name of ['proto', 'stubs'])
      await cp(join(folder, name), join(byBuf, name), { recursive: true });
    await runBuf(workshop, { within: 'buf', programs: [bin] });
    await writeFile(join(byBuf, 'example.py'), `import sys\n${onAnotherStream(example)}`);
  },
  runner: (folder, cache) => [join(pythonIn(cache), 'python'), join(folder, 'runner.py')],
  example: (folder, cache) => [join(pythonIn(cache), 'python'), join(folder, 'example.py')],
  exampleByBuf: (folder, cache) => [join(pythonIn(cache), 'python'), join(folder, 'buf', 'example.py')],
};

const rust: Language = {
  name: 'rust',
  title: 'Rust',
  tools: [
    ['cargo', '--version'],
    ['cc', '--version'],
  ],
  async build(workshop) {
    const { folder, cache, page } = workshop;
    const address = 'std::env::args().nth(1).ok_or("the address of a gateway")?';
    const example = exampleOf(page, 'rust', {
      [`from_static("http://${exampleAddress}")`]: `from_shared(format!("http://{}", ${address}))?`,
    });
    await mkdir(join(folder, 'src', 'bin'));
    await writeFile(join(folder, 'src', 'bin', 'example.rs'), example);
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
    const byBuf = onAnotherStream(example).replaceAll(
      /tonic::include_proto!\("([\w.]+)"\)/g,
      'include!("../gen/$1.rs")',
    );
    await writeFile(join(folder, 'src', 'bin', 'by-buf.rs'), byBuf);
    await run(['cargo', 'build', '--quiet', '--locked'], { cwd: folder, env: { CARGO_TARGET_DIR: target } });
    await mkdir(join(folder, 'bin'));
    for (const name of ['runner', 'example', 'by-buf']) {
      await cp(join(target, 'debug', name), join(folder, 'bin', name));
    }
  },
  runner: (folder) => [join(folder, 'bin', 'runner')],
  example: (folder) => [join(folder, 'bin', 'example')],
  exampleByBuf: (folder) => [join(folder, 'bin', 'by-buf')],
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
    const { folder, page } = workshop;
    const example = exampleOf(page, 'java', { [quotedAddress]: 'args[0]' });
    await writeFile(join(folder, 'src', 'main', 'java', 'Example.java'), example);
    await run(['mvn', '--quiet', '--batch-mode', 'package'], { cwd: folder });
    await runBuf(workshop);
    await writeFile(join(folder, 'gen', 'Example.java'), onAnotherStream(example));
    const compile = ['javac', '-cp', librariesIn(folder), '-d', join('target', 'by-buf')];
    const sources = ['-sourcepath', join('gen', 'java'), join('gen', 'Example.java')];
    await run([...compile, ...sources], { cwd: folder });
  },
  runner: (folder) => javaCommand(folder, 'Runner'),
  example: (folder) => javaCommand(folder, 'Example'),
  exampleByBuf: (folder) => javaCommand(folder, 'Example', 'by-buf'),
};

const kotlin: Language = {
  name: 'kotlin',
  title: 'Kotlin',
  tools: javaTools,
  async build(workshop) {
    const { folder, page } = workshop;
    await runBuf(workshop);
    const example = exampleOf(page, 'kotlin', {
      [quotedAddress]: 'args[0]',
      'main()': 'main(args: Array<String>)',
    });
    const sources = join(folder, 'src', 'main', 'kotlin');
    await mkdir(sources, { recursive: true });
    await writeFile(join(sources, 'Example.kt'), example);
    await run(['mvn', '--quiet', '--batch-mode', 'package'], { cwd: folder });
  },
  example: (folder) => javaCommand(folder, 'ExampleKt'),
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

export const languages: readonly Language[] = [typescript, go, python, rust, java, kotlin, csharp];
