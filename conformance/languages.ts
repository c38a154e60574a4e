import { cp, mkdir, writeFile } from 'node:fs/promises';
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

/** A language with a runner. */
export interface Language {
  readonly name: string;
  /** The heading of its section in docs/clients.md. */
  readonly title: string;
  /** Commands that tell the versions of what it needs. */
  readonly tools: readonly (readonly string[])[];
  /** Makes its stubs, its runner, and the example of its section. What is needed afterwards is in the two folders. */
  build(workshop: Workshop): Promise<void>;
  /** Starts what was built; the address of a gateway follows. */
  runner(folder: string, cache: string): readonly string[];
  example(folder: string, cache: string): readonly string[];
}

/** The gateway of the examples; when run they are given the address of another. */
const exampleAddress = '127.0.0.1:50051';
const quotedAddress = `"${exampleAddress}"`;

/** The commands of a section, as they stand there, with buf among the programs. */
async function runCommands({ folder, page }: Workshop, path: string): Promise<void> {
  const [commands] = blocksOf(page, 'sh');
  const searched = [path, process.env['PATH']].join(delimiter);
  await run(['sh', '-e', '-c', commands ?? 'false'], { cwd: folder, env: { PATH: searched } });
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
    await runCommands(workshop, join(process.cwd(), 'node_modules', '.bin'));
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
    await runCommands(workshop, bin);
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
  },
  runner: (folder, cache) => [join(pythonIn(cache), 'python'), join(folder, 'runner.py')],
  example: (folder, cache) => [join(pythonIn(cache), 'python'), join(folder, 'example.py')],
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
    await run(['cargo', 'build', '--quiet', '--locked'], { cwd: folder, env: { CARGO_TARGET_DIR: target } });
    await mkdir(join(folder, 'bin'));
    for (const name of ['runner', 'example']) {
      await cp(join(target, 'debug', name), join(folder, 'bin', name));
    }
  },
  runner: (folder) => [join(folder, 'bin', 'runner')],
  example: (folder) => [join(folder, 'bin', 'example')],
};

const javaCommand = (folder: string, main: string): readonly string[] => [
  'java',
  '-XX:TieredStopAtLevel=1',
  '-cp',
  [join(folder, 'target', 'classes'), join(folder, 'target', 'libraries', '*')].join(delimiter),
  main,
];
const java: Language = {
  name: 'java',
  title: 'Java',
  tools: [
    ['javac', '-version'],
    ['mvn', '--version'],
  ],
  async build(workshop) {
    const { folder, page } = workshop;
    const example = exampleOf(page, 'java', { [quotedAddress]: 'args[0]' });
    await writeFile(join(folder, 'src', 'main', 'java', 'Example.java'), example);
    await run(['mvn', '--quiet', '--batch-mode', 'package'], { cwd: folder });
  },
  runner: (folder) => javaCommand(folder, 'Runner'),
  example: (folder) => javaCommand(folder, 'Example'),
};

export const languages: readonly Language[] = [typescript, go, python, rust, java];
