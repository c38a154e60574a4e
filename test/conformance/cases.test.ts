import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createFileRegistry, fromBinary } from '@bufbuild/protobuf';
import { FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt';
import { readCaseFiles, type Action } from '../../conformance/case-file';
import { fillIn } from '../../conformance/fill-in';
import { languages } from '../../conformance/languages';
import { mismatch } from '../../conformance/mismatch';
import { fileDescriptorSet } from '../../generated/descriptors';
import { blocks, document, root, section, tableRows } from '../docs/markdown';

/** What is known of the cases of conformance/ without playing them, and that a wrong answer would be noticed. */

const files = readCaseFiles(join(root, 'conformance', 'cases'));
const actions: readonly Action[] = files.flatMap(({ cases }) => cases.flatMap((one) => one.actions));

test('each case has a name of its own', () => {
  const names = files.flatMap(({ name, cases }) => cases.map((one) => `${name}: ${one.name}`));
  expect(new Set(names).size).toBe(names.length);
});

test('there is a case for every method of the contract', () => {
  const descriptors = fromBinary(FileDescriptorSetSchema, Buffer.from(fileDescriptorSet, 'base64'));
  const registry = createFileRegistry(descriptors);
  const called = new Set(
    actions.flatMap((action) => ('call' in action ? [action.call] : 'open' in action ? [action.open] : [])),
  );
  const methodsOf = (service: string): string[] =>
    registry.getService(`sluice.v1.${service}`)?.methods.map(({ name }) => name) ?? [];
  const others = ['ConsumerGroupService', 'StreamService'].flatMap((service) =>
    methodsOf(service).map((name) => `sluice.v1.${service}/${name}`),
  );
  const methods = [...methodsOf('EventStoreService'), ...others];
  expect(methods.length).toBeGreaterThan(23);
  expect(methods.filter((name) => !called.has(name))).toEqual([]);
});

test('there is a case for every reason of errors that a caller can bring about', () => {
  // A bug in the gateway, a caller that takes nothing, a gateway that has just been started, a restored store, an edited one, and
  // others that are always faster.
  const others = [
    'INTERNAL',
    'CANCELLED',
    'REPLICA_FILLING',
    'GROUP_AHEAD_OF_STORE',
    'GROUP_STATE_UNREADABLE',
    'CONDITION_CONTENDED',
  ];
  const reasons = tableRows(document('docs/errors.md')).flatMap(([cell = '', , details = '']) =>
    details.includes('google.rpc.ErrorInfo') ? [cell.replaceAll('`', '')] : [],
  );
  expect(reasons.length).toBeGreaterThan(8);
  const expected = JSON.stringify(actions);
  const without = reasons.filter((reason) => !expected.includes(`"reason":"${reason}"`));
  expect(without).toEqual(reasons.filter((reason) => others.includes(reason)));
});

test('what the page on clients shows of builds is what is built with', () => {
  const page = document('docs/clients.md');
  const plain = (text: string): string => text.replace(/\s+/g, ' ').trim();
  const [plugin] = blocks(section(page, '## Java'));
  const pom = readFileSync(join(root, 'conformance', 'java', 'pom.xml'), 'utf8');
  expect(plugin?.language).toBe('xml');
  expect(plain(pom)).toContain(plain(plugin?.code ?? '?'));
  const build = blocks(section(page, '## Rust')).find(({ language }) => language === 'rust');
  const buildScript = readFileSync(join(root, 'conformance', 'rust', 'build.rs'), 'utf8');
  expect(build?.code).toContain('protox::compile');
  // The runner needs more files, no other calls.
  const called = Array.from(build?.code.matchAll(/\w+::\w+\(.*$/gm) ?? [], ([call]) => call);
  for (const call of called) expect(buildScript).toContain(call);
});

test('every template for buf is run, by its section of the page on clients', () => {
  const page = document('docs/clients.md');
  const templates = readdirSync(join(root, 'stubs'));
  expect(templates.length).toBeGreaterThan(5);
  for (const template of templates) {
    const language = languages.find(({ name }) => template === `buf.gen.${name}.yaml`);
    const commands = blocks(section(page, `## ${language?.title ?? template}`)).filter(
      (block) => block.language === 'sh',
    );
    expect(commands.at(-1)?.code).toContain(`buf generate --template stubs/${template}\n`);
  }
});

test.each([
  ['Java', 'java'],
  ['Kotlin', 'kotlin'],
])(
  'the generators that the page on clients fetches for %s are of the versions built with',
  (title, folder) => {
    const pom = readFileSync(join(root, 'conformance', folder, 'pom.xml'), 'utf8');
    const properties = new Map(
      Array.from(pom.matchAll(/<(\S+)\.version>(.+)</g), ([, name, version]) => [name, version]),
    );
    const fetched = Array.from(
      section(document('docs/clients.md'), `## ${title}`).matchAll(
        / [\w.]+:protoc(?:-gen)?-?(\S*?):([\d.]+):/g,
      ),
      ([, generator = '', version]) => [generator, version],
    );
    const property = { '': 'protobuf', 'grpc-java': 'grpc', 'grpc-kotlin': 'grpc.kotlin' };
    expect(fetched.length).toBe(folder === 'java' ? 2 : 3);
    for (const [generator, version] of fetched) {
      expect([generator, version]).toEqual([
        generator,
        properties.get(property[generator as keyof typeof property]),
      ]);
    }
  },
);

describe('mismatch', () => {
  test.each([
    ['equal texts', 'a', 'a'],
    ['numbers, which are texts in JSON', 5, '5'],
    ['a part of an object', { a: '1' }, { a: '1', b: '2' }],
    ['defaults that are not there', { a: '0', b: 0, c: '', d: false, e: [] }, {}],
    ['what must not be there', { a: null }, {}],
    ['anything', { $any: true }, 'x'],
    ['a part of a text', { $contains: 'b' }, 'abc'],
    ['a higher number, above 2^53', { $above: '9007199254740992' }, '9007199254740993'],
    ['a list in any order', { $unordered: [{ a: '1' }, { a: '2' }] }, [{ a: '2' }, { a: '1', b: '1' }]],
    ['a key that objects inherit', { ['__proto__']: 'p' }, JSON.parse('{"__proto__":"p"}')],
  ])('takes %s', (_what, expected, actual) => {
    expect(mismatch(expected, actual as never)).toBeUndefined();
  });

  test.each([
    ['another text', 'a', 'b', 'it is "b", not "a"'],
    ['a number that is near', '9007199254740993', '9007199254740992', 'it is "9007199254740992"'],
    ['another field', { a: { b: '1' } }, { a: { b: '2' } }, 'a.b is "2", not "1"'],
    ['a field that is not there', { a: '1' }, {}, 'a is not there'],
    ['a field too much', { a: null }, { a: '' }, 'a is "", not null'],
    ['a longer list', { a: ['1'] }, { a: ['1', '2'] }, 'a has 2 items, not 1'],
    ['an item', { a: ['1', '2'] }, { a: ['1', '3'] }, 'a[1] is "3"'],
    ['a default as anything', { $any: true }, '0', 'it is "0"'],
    ['another part of a text', { $contains: 'd' }, 'abc', 'it is "abc"'],
    ['the same number', { $above: '5' }, '5', 'it is "5"'],
    ['one twice in a list', { $unordered: ['1', '2'] }, ['1', '1'], 'has no "2"'],
    ['more in a list', { $unordered: ['1'] }, ['1', '2'], 'has also'],
    ['a list for an object', { a: '1' }, [], 'it is []'],
  ])('refuses %s', (_what, expected, actual, why) => {
    expect(mismatch(expected, actual as never)).toContain(why);
  });
});

test('fillIn writes shorthand out', () => {
  const filled = fillIn(
    { a: '${x}-${x}', b: [{ $repeat: 2, item: { n: '${i}' } }, 'c'], d: { $text: 'yz', times: 2 } },
    new Map([['x', '7']]),
  );
  expect(filled).toEqual({ a: '7-7', b: [{ n: '1' }, { n: '2' }, 'c'], d: 'yzyz' });
  expect(() => fillIn('${y}', new Map())).toThrow('there is no variable y');
});
