import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { builtinModules } from 'node:module';
import { dirname, join, relative } from 'node:path';
import { fromBinary, toBinary } from '@bufbuild/protobuf';
import { FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt';
import ts from 'typescript';
import { fileDescriptorSet } from '../generated/descriptors';
import { sentHeader } from '../src/jetstream/nats/headers';

/** The house rules that neither the compiler nor the linter checks. Paths are relative, with "/". */
const root = join(__dirname, '..');

/** Tracked files, and new files that git does not ignore. */
const files = execFileSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], {
  cwd: root,
})
  .toString()
  .split('\0')
  .filter((file) => file !== '' && existsSync(join(root, file)));

const written = files.filter(
  (file) => /\.tsx?$/.test(file) && /^(src|test|bench|conformance|examples)\//.test(file),
);
const sources = new Map(
  written.map((file) => [
    file,
    ts.createSourceFile(file, readFileSync(join(root, file), 'utf8'), ts.ScriptTarget.ES2023, true),
  ]),
);
const inSrc = [...sources].filter(([file]) => file.startsWith('src/'));

/**
 * What a room of src/ may import, type imports included: other rooms, one file of a room (`store/errors`), files at the top of
 * src/, packages (`npm:`). A room may always import itself and `node:`. The name of a room is its folder in src/, or the file at
 * the top.
 */
const arrows: Readonly<Record<string, readonly string[]>> = {
  'access-limits': [],
  'group-limits': [],
  'http-limits': [],
  'request-limits': [],
  limits: ['access-limits', 'group-limits', 'http-limits', 'request-limits'],
  version: [],
  versions: [],
  uuid: [],
  loopback: [],
  collections: [],
  protobuf: ['npm:@bufbuild/protobuf'],
  store: ['limits', 'collections'],
  tracing: ['store/trace', 'npm:@opentelemetry/api'],
  requests: ['store', 'limits', 'uuid', 'generated'],
  auth: [
    'store/pattern-tree',
    'store/errors',
    'store/outcome',
    'store/values',
    'limits',
    'collections',
    'config/nearest-name',
    'npm:zod',
    'npm:jose',
    'npm:pino',
  ],
  config: ['limits', 'versions', 'loopback', 'nats-server', 'jetstream/nats', 'npm:zod'],
  'nats-server': ['store/errors', 'store/durability', 'versions', 'npm:nats', 'npm:pino'],
  'jetstream/nats': ['store', 'limits', 'versions', 'collections', 'npm:nats', 'npm:pino'],
  'jetstream/log': ['jetstream/nats', 'store', 'limits', 'protobuf', 'generated', 'npm:pino'],
  'jetstream/append': [
    'jetstream/log',
    'jetstream/nats',
    'store',
    'limits',
    'protobuf',
    'collections',
    'uuid',
    'generated',
  ],
  'jetstream/follow': ['jetstream/log', 'jetstream/nats', 'store', 'collections'],
  'jetstream/state': ['jetstream/log', 'jetstream/nats', 'store', 'limits', 'collections', 'npm:pino'],
  'jetstream/sweep': ['jetstream/log', 'jetstream/nats', 'store', 'protobuf', 'npm:pino'],
  jetstream: [
    'jetstream/append',
    'jetstream/follow',
    'jetstream/log',
    'jetstream/nats',
    'jetstream/state',
    'jetstream/sweep',
    'store',
    'limits',
    'npm:pino',
  ],
  'replica/segments': ['store', 'protobuf'],
  'replica/index': ['replica/segments', 'store', 'collections', 'uuid', 'npm:lmdb'],
  'replica/apply': [
    'replica/index',
    'replica/segments',
    'store',
    'limits',
    'protobuf',
    'collections',
    'npm:pino',
  ],
  'replica/share': ['replica/apply', 'replica/index', 'replica/segments', 'store', 'limits'],
  'replica/reads': ['replica/index', 'replica/segments', 'store', 'protobuf'],
  'replica/subscriptions': [
    'replica/reads',
    'replica/apply',
    'replica/index',
    'replica/segments',
    'store',
    'limits',
  ],
  replica: [
    'replica/share',
    'replica/subscriptions',
    'replica/reads',
    'replica/apply',
    'replica/index',
    'replica/segments',
    'store',
    'protobuf',
    'limits',
  ],
  grpc: [
    'auth',
    'requests',
    'store',
    'tracing',
    'protobuf',
    'collections',
    'limits',
    'generated',
    'npm:@grpc',
    'npm:grpc-health-check',
    'npm:pino',
    'npm:@bufbuild/protobuf',
  ],
  http: ['limits', 'npm:pino'],
  connect: ['grpc', 'http', 'store/errors', 'limits', 'generated', 'npm:@grpc', 'npm:@bufbuild/protobuf'],
  groups: ['store', 'collections', 'protobuf', 'limits', 'npm:pino'],
  metrics: ['grpc', 'http', 'auth', 'store', 'collections', 'limits', 'npm:prom-client'],
  client: [
    'loopback',
    'collections',
    'protobuf',
    'tracing/sdk',
    'generated',
    'npm:@grpc',
    'npm:@bufbuild/protobuf',
    'npm:@opentelemetry/api',
  ],
  keys: ['client', 'collections', 'jetstream/nats', 'limits', 'npm:zod'],
  cli: ['client', 'keys', 'auth', 'config', 'group-limits', 'version', 'versions'],
  serve: ['gateway', 'primary', 'role', 'cli', 'config', 'version', 'versions', 'npm:pino'],
  // What puts the rooms together.
  main: ['serve', 'replica-command', 'operator', 'cli', 'config'],
  'reach-nats': ['config', 'jetstream/nats', 'nats-server', 'store', 'npm:pino'],
  workers: [
    'replica/share',
    'jetstream/log/space',
    'jetstream/nats/options',
    'config/config',
    'grpc',
    'metrics/metric',
    'metrics/combined',
    'store',
    'limits',
    'npm:pino',
  ],
  role: ['open-store', 'reach-nats', 'config', 'grpc', 'jetstream/log/space', 'metrics/metric', 'npm:pino'],
  // The two kinds of processes of a gateway that has several.
  primary: ['role', 'reach-nats', 'workers', 'replica/share', 'config', 'npm:pino'],
  worker: ['role', 'gateway', 'workers', 'grpc', 'store', 'npm:pino'],
  'worker-main': ['gateway', 'worker', 'workers', 'serve'],
  gateway: [
    'open-store',
    'reach-nats',
    'role',
    'workers/worker-process',
    'gateway-http',
    'config',
    'auth',
    'grpc',
    'metrics',
    'store',
    'tracing',
    'version',
    'npm:pino',
  ],
  // What runs in a browser.
  console: ['console/pages', 'console/parts', 'console/wire', 'npm:preact'],
  'console/pages': ['console/parts', 'console/reads', 'console/wire', 'npm:preact'],
  'console/parts': ['console/reads', 'console/wire', 'npm:preact', 'npm:uplot'],
  'console/reads': ['console/wire', 'client', 'cli/finding', 'cli/findings'],
  'console/wire': [],
  'gateway-http': ['auth', 'connect', 'grpc', 'http', 'metrics', 'store', 'limits', 'version', 'npm:pino'],
  'open-store': [
    'nats-server/folder-lock',
    'jetstream',
    'jetstream/nats',
    'replica',
    'replica/apply',
    'replica/share',
    'groups',
    'store',
    'npm:pino',
  ],
  backup: ['jetstream', 'jetstream/nats', 'store', 'version', 'versions', 'npm:zod'],
  operator: [
    'backup',
    'jetstream',
    'jetstream/nats',
    'nats-server',
    'reach-nats',
    'config',
    'cli',
    'npm:pino',
  ],
  'replica-command': ['nats-server/folder-lock', 'replica', 'npm:pino'],
};

function roomOf(file: string): string {
  if (file.startsWith('generated/')) return 'generated';
  const [, folder, name = ''] = /^src\/(?:(.+)\/)?([^/]+?)(?:\.[jt]sx?)?$/.exec(file) ?? [];
  return folder ?? name;
}

/** Every module that a file imports, `import type` included. */
function importsOf(source: ts.SourceFile): string[] {
  const found: string[] = [];
  visit(source, (node) => {
    const name =
      ts.isImportDeclaration(node) || ts.isExportDeclaration(node)
        ? node.moduleSpecifier
        : ts.isCallExpression(node) &&
            (node.expression.kind === ts.SyntaxKind.ImportKeyword || node.expression.getText() === 'require')
          ? node.arguments[0]
          : ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument)
            ? node.argument.literal
            : undefined;
    if (name !== undefined && ts.isStringLiteralLike(name)) found.push(name.text);
  });
  return found;
}

/** What a file means by a module name: a room and a file of it, `node:`, or a package. */
function targets(file: string, name: string): string[] {
  if (name.startsWith('.')) {
    const path = pathOf(file, name);
    return [roomOf(path), path.replace(/^src\/|\.[jt]s$/g, '')];
  }
  if (name.startsWith('node:') || builtinModules.includes(name)) return ['node:'];
  const [first = '', second = ''] = name.split('/');
  return [['@bufbuild', '@opentelemetry'].includes(first) ? `npm:${first}/${second}` : `npm:${first}`];
}

/** The path from the root of the project of a module that a file names relative to itself. */
function pathOf(file: string, name: string): string {
  return relative(root, join(root, dirname(file), name));
}

function visit(node: ts.Node, each: (node: ts.Node) => void): void {
  each(node);
  ts.forEachChild(node, (child) => {
    visit(child, each);
  });
}

/** The `file:line` of every node that breaks a rule. */
function offences(
  list: Iterable<readonly [string, ts.SourceFile]>,
  offends: (node: ts.Node) => boolean,
): string[] {
  const found: string[] = [];
  for (const [file, source] of list) {
    visit(source, (node) => {
      if (offends(node)) found.push(`${file}:${(lineOf(source, node.getStart()) + 1).toString()}`);
    });
  }
  return found;
}

function lineOf(source: ts.SourceFile, at: number): number {
  return source.getLineAndCharacterOfPosition(at).line;
}

test('rooms import only what they may import', () => {
  const wrong = inSrc.flatMap(([file, source]) => {
    const room = roomOf(file);
    const allowed = [room, 'node:', ...(arrows[room] ?? [])];
    return importsOf(source)
      .filter((name) => !targets(file, name).some((target) => allowed.includes(target)))
      .map((name) => `${file} imports ${name}`);
  });
  expect(wrong).toEqual([]);
});

/** The nodes that lie on a cycle of a graph, each cycle as one line. */
function cyclesOf(graph: ReadonlyMap<string, readonly string[]>): string[] {
  const reach = (from: string): Set<string> => {
    const reached = new Set<string>();
    const open = [from];
    for (let node = open.pop(); node !== undefined; node = open.pop()) {
      for (const next of graph.get(node) ?? []) if (!reached.has(next)) open.push(next);
      for (const next of graph.get(node) ?? []) reached.add(next);
    }
    return reached;
  };
  const reached = new Map([...graph.keys()].map((node) => [node, reach(node)]));
  const cycles = [...reached.keys()]
    .filter((node) => reached.get(node)?.has(node))
    .map((node) =>
      [...reached.keys()].filter((other) => reached.get(node)?.has(other) && reached.get(other)?.has(node)),
    );
  return [...new Set(cycles.map((cycle) => cycle.sort().join(' <-> ')))];
}

test('no files of src/ import each other in a cycle', () => {
  const files = new Map(
    inSrc.map(([file, source]) => [
      file,
      importsOf(source)
        .filter((name) => name.startsWith('.'))
        .map((name) => `${pathOf(file, name).replace(/\.[jt]s$/, '')}.ts`),
    ]),
  );
  expect(cyclesOf(files)).toEqual([]);
});

test('no rooms may import each other in a cycle', () => {
  expect(cyclesOf(new Map(Object.entries(arrows)))).toEqual([]);
});

test('every arrow is needed', () => {
  const used = new Set(
    inSrc.flatMap(([file, source]) =>
      importsOf(source).flatMap((name) =>
        targets(file, name).map((target) => `${roomOf(file)} -> ${target}`),
      ),
    ),
  );
  const all = Object.entries(arrows).flatMap(([room, targets]) =>
    targets.map((target) => `${room} -> ${target}`),
  );
  expect(all.filter((arrow) => !used.has(arrow))).toEqual([]);
});

test('every file of src/ belongs to a room', () => {
  expect(inSrc.map(([file]) => file).filter((file) => !(roomOf(file) in arrows))).toEqual([]);
});

test('the README of every room says what the room may import', () => {
  const rooms = Object.keys(arrows).filter((room) => !existsSync(join(root, 'src', `${room}.ts`)));
  const said = (room: string): string[] => {
    const readme = readFileSync(join(root, 'src', room, 'README.md'), 'utf8');
    const [, list = ''] = /^May import: ((?:.+\n)+)/m.exec(readme) ?? [];
    return Array.from(list.matchAll(/`([^`]+)`/g), ([, name = '']) => name);
  };
  const sorted = (names: readonly string[] = []): string[] => names.slice().sort();
  expect(rooms.map((room) => [room, sorted(said(room))])).toEqual(
    rooms.map((room) => [room, sorted(arrows[room])]),
  );
});

test('there are no barrels, no utils and no types.ts', () => {
  expect(written.filter((file) => /(^|\/)(index|types|utils)\.ts$|(^|\/)(types|utils)\//.test(file))).toEqual(
    [],
  );
});

test('no code uses any', () => {
  expect(offences(sources, (node) => node.kind === ts.SyntaxKind.AnyKeyword)).toEqual([]);
});

test('only config.ts reads the environment', () => {
  const others = inSrc.filter(([file]) => file !== 'src/config/config.ts');
  const isEnvironment = (node: ts.Node): boolean =>
    (ts.isPropertyAccessExpression(node) && node.getText() === 'process.env') ||
    (ts.isElementAccessExpression(node) && /^process\[.env.\]$/.test(node.getText())) ||
    (ts.isVariableDeclaration(node) &&
      node.initializer?.getText() === 'process' &&
      /\benv\b/.test(node.name.getText()));
  expect(offences(others, isEnvironment)).toEqual([]);
});

/** The files of the gateway that need the time of day: when credentials expire, and when ids, keys and files were made. */
const needTimeOfDay = [
  'src/auth/certificate.ts',
  'src/auth/explain.ts',
  'src/auth/file-guard.ts',
  'src/auth/generation.ts',
  'src/auth/jwks-source.ts',
  'src/auth/jwt.ts',
  'src/auth/token.ts',
  'src/auth/verifiers.ts',
  'src/gateway-http.ts',
  'src/grpc/access-watch.ts',
  'src/grpc/call-scope.ts',
  'src/grpc/enter-call.ts',
  'src/grpc/tls-files.ts',
  'src/jetstream/append/id-memory.ts',
  'src/jetstream/append/stored-commits.ts',
  'src/jetstream/follow/watch-log.ts',
  'src/jetstream/state/state-stream.ts',
  'src/metrics/group-metrics.ts',
  'src/nats-server/nats-cache.ts',
  'src/replica/apply/readiness.ts',
  'src/replica/index/commit-id-filter.ts',
  'src/replica/reads/hiding.ts',
  'src/uuid.ts',
];

test('durations and deadlines of the gateway are those of performance.now(), so that setting the clock changes none', () => {
  const read = inSrc
    .filter(
      ([file, source]) => !/^src\/(cli|client|console)\//.test(file) && source.text.includes('Date.now'),
    )
    .map(([file]) => file);
  expect(read.sort()).toEqual(needTimeOfDay);
});

test('tests open raw HTTP/2 sessions in one place, which knows how to end them', () => {
  const tests = [...sources].filter(([file]) => file.startsWith('test/') && !file.endsWith('/raw-http2.ts'));
  const opens = (node: ts.Node): boolean =>
    ts.isImportSpecifier(node) &&
    (node.propertyName ?? node.name).text === 'connect' &&
    (node.parent.parent.parent.moduleSpecifier as ts.StringLiteral).text === 'node:http2';
  expect(offences(tests, opens)).toEqual([]);
});

test('every header that a gateway sends to NATS is in one table', () => {
  const table = 'src/jetstream/nats/headers.ts';
  const names = (node: ts.Node): boolean =>
    (ts.isStringLiteralLike(node) || ts.isTemplateHead(node)) && /^Nats-/.test(node.text);
  const others = inSrc.filter(([file]) => file !== table);
  expect(offences(others, names)).toEqual([]);
  // The package `nats` has its own ways to set headers.
  const otherWay = (node: ts.Node): boolean =>
    ts.isImportSpecifier(node) &&
    /^(headers|MsgHdrs|MsgHdrsImpl)$/.test((node.propertyName ?? node.name).text);
  expect(offences(inSrc, otherWay)).toEqual([]);
  expect(Object.values(sentHeader).filter((name) => name.startsWith('Nats-'))).toEqual([
    'Nats-Msg-Id',
    'Nats-Expected-Last-Subject-Sequence',
    'Nats-Expected-Last-Subject-Sequence-Subject',
    'Nats-Expected-Last-Sequence',
    'Nats-Expected-Last-Msg-Id',
    'Nats-TTL',
    'Nats-Batch-Id',
    'Nats-Batch-Sequence',
    'Nats-Batch-Commit',
  ]);
});

test('functions of src/ have fewer than 70 lines', () => {
  const isLong = (node: ts.Node): boolean => {
    if (!ts.isFunctionLike(node)) return false;
    const source = node.getSourceFile();
    return lineOf(source, node.end) - lineOf(source, node.getStart()) + 1 >= 70;
  };
  expect(offences(inSrc, isLong)).toEqual([]);
});

test('functions of src/ have at most four parameters', () => {
  const hasMany = (node: ts.Node): boolean => ts.isFunctionLike(node) && node.parameters.length > 4;
  expect(offences(inSrc, hasMany)).toEqual([]);
});

test('files of src/ have fewer than 300 lines', () => {
  const long = inSrc.filter(([, source]) => lineOf(source, source.end) >= 300);
  expect(long.map(([file]) => file)).toEqual([]);
});

test('the descriptors that reflection serves are those of proto/, those of Sluice itself with comments', () => {
  const buf = join(root, 'node_modules', '.bin', 'buf');
  const args = ['build', '--as-file-descriptor-set', '-o', '-#format=binpb'];
  const built = execFileSync(buf, args, { cwd: root, maxBuffer: 64 << 20 });
  const expected = fromBinary(FileDescriptorSetSchema, built);
  for (const file of expected.file) if (!file.name.startsWith('sluice/')) delete file.sourceCodeInfo;
  const bytes = Buffer.from(toBinary(FileDescriptorSetSchema, expected));
  expect(bytes.equals(Buffer.from(fileDescriptorSet, 'base64'))).toBe(true);
});

test('package.json names every package with an install script, and allows none of them', () => {
  const read = (file: string): unknown => JSON.parse(readFileSync(join(root, file), 'utf8'));
  const { packages } = read('package-lock.json') as { packages: Record<string, { hasInstallScript?: true }> };
  const running = Object.entries(packages).filter(([, { hasInstallScript }]) => hasInstallScript);
  const names = running.map(([path]) => path.replace(/^.*node_modules\//, ''));
  const { allowScripts } = read('package.json') as { allowScripts?: object };
  expect(allowScripts).toEqual(Object.fromEntries(names.map((name) => [name, false])));
});

test('no file names a path on a machine or the host of a package registry', () => {
  // Assembled here, or this file would name them itself.
  const paths = ['root', 'home', 'Users', 'work', 'workspace'].map((name) => `(?<![\\w./*@-])/${name}/\\w`);
  const hosts = [
    ['registry', 'npmjs', 'org'],
    ['registry', 'yarnpkg', 'com'],
    ['npm', 'pkg', 'github', 'com'],
    ['proxy', 'golang', 'org'],
    ['pypi', 'org'],
    ['jfrog', 'io'],
  ].map((labels) => labels.join('\\.'));
  const forbidden = new RegExp([...paths, ...hosts].join('|'), 'i');
  const wrong = files.flatMap((file) => {
    const text = readFileSync(join(root, file), 'latin1');
    return text
      .split('\n')
      .flatMap((line, i) => (forbidden.test(line) ? [`${file}:${(i + 1).toString()}`] : []));
  });
  expect(wrong).toEqual([]);
});
