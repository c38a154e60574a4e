import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { StreamDescription } from '../../src/client/client';
import { startCommandGateway, type CommandGateway } from './gateway-commands';

const folder = mkdtempSync(join(tmpdir(), 'sluice-stream-'));
let source: CommandGateway;
beforeAll(async () => {
  source = await startCommandGateway();
});
afterAll(async () => {
  await source[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

const events = (count: number): { type: string }[] => Array.from({ length: count }, () => ({ type: 'A' }));

test('a change needs --yes where nobody can confirm, and a dry run changes nothing', async () => {
  await source.client.append('ask.1', events(3));
  const refused = await source.run(['stream', 'delete', 'ask.1']);
  expect(refused).toMatchObject({ code: 2, stdout: '' });
  expect(refused.stderr).toContain('--yes is missing');
  const plan = await source.output(['stream', 'truncate', 'ask.1', '--before', '3', '--dry-run']);
  expect(plan).toBe('would do this: hides versions 1 to 2 of ask.1\n');
  expect(await source.client.streams.get('ask.1')).toMatchObject({ firstVersion: 1n, controlPosition: 0n });
  expect(await source.output(['stream', 'delete', 'ask.1', '--yes', '--expected-version=3'])).toBe(
    'ask.1 is deleted; it was at version 3\n',
  );
  expect(await source.run(['stream', 'delete', 'ask.1', '--yes'])).toMatchObject({
    code: 0,
    stderr: 'sluice: ask.1 was like this already\n',
  });
});

test.each([
  [['stream', 'delete', 'ask.2', '--yes'], 1, 'stream ask.2 never had an event'],
  [['stream', 'truncate', 'ask.3', '--before', '9', '--yes'], 2, 'ends at version 1'],
  [
    ['stream', 'delete', 'ask.3', '--yes', '--expected-version', '7'],
    3,
    'at version 1, not at the expected 7',
  ],
  [['stream', 'trunk', 'ask.3'], 2, 'stream needs one of'],
  [['stream', 'show', 'ask.3', '--before', '1'], 2, '--before is not for show'],
  [['stream', 'truncate', 'ask.3', '--yes'], 2, '--before is missing'],
])('%j fails with %d', async (args, code, message) => {
  if ((await source.client.getVersion('ask.3')).version === 0n)
    await source.client.append('ask.3', events(1));
  const ended = await source.run(args);
  expect(ended).toMatchObject({ code, stdout: '' });
  expect(ended.stderr).toContain(message);
});

/** What must be the same in a copy. */
function facts({ stream, state, version, firstVersion, retention }: StreamDescription): unknown {
  return { stream, state, version, firstVersion, retention };
}

test('a copy by export and import says the same of streams with controls', async () => {
  const { client } = source;
  const { streams } = client;
  const names = ['copy.cut', 'copy.kept', 'copy.gone', 'copy.dead', 'copy.plain', 'copy.all', 'copy.again'];
  for (const name of names) await client.append(name, events(5));
  await client.append('copy.long', events(2_500));
  await streams.truncate('copy.long', 2_400);
  await streams.truncate('copy.cut', 3);
  await streams.setRetention('copy.kept', { maxCount: 2, maxAgeMs: 86_400_000 });
  await streams.delete('copy.gone');
  await streams.tombstone('copy.dead');
  await streams.truncate('copy.all', 6);
  await streams.delete('copy.again');
  await client.append('copy.again', events(2), { expectedVersion: 5 });
  await client.append('copy.cut', events(1));
  const file = join(folder, 'copy.ndjson');
  await source.output(['export', 'copy.>', '--output', file]);
  expect(readFileSync(file, 'utf8').match(/"control":/g)).toHaveLength(7);

  await using target = await startCommandGateway();
  const [first] = await target.json(['import', file]);
  expect(first).toMatchObject({ controls: 7, replayed: 0, placeholders: 2_399 + 2 + 3 + 5 + 5 + 5 + 5 });
  const described = async ({ client: one }: CommandGateway): Promise<unknown[]> =>
    Promise.all([...names, 'copy.long'].map(async (name) => facts(await one.streams.get(name))));
  expect(await described(target)).toEqual(await described(source));
  const idsOf = async ({ client: one }: CommandGateway): Promise<unknown[]> => {
    const ids = [];
    for await (const { stream, version, id } of one.readAll({ patterns: ['copy.>'] }))
      ids.push([stream, version, id]);
    return ids;
  };
  expect(await idsOf(target)).toEqual(await idsOf(source));
  // A repeated import changes nothing, not even what has happened to the copy since.
  await target.client.append('copy.gone', events(1), { expectedVersion: 5 });
  await target.client.streams.setRetention('copy.kept', {});
  const before = await described(target);
  const [again] = await target.json(['import', file]);
  expect(again).toMatchObject({ placeholders: 0, replayed: first?.['commits'] });
  expect(await described(target)).toEqual(before);
}, 120_000);

test('an import hides no events that are not its own', async () => {
  const { client } = source;
  await client.append('own.1', events(4));
  await client.streams.truncate('own.1', 3);
  await client.append('own.2', events(4));
  await client.streams.delete('own.2');
  for (const name of ['own.1', 'own.2']) {
    const file = join(folder, `${name}.ndjson`);
    await source.output(['export', name, '--output', file]);
    await using target = await startCommandGateway();
    await target.client.append(name, events(1));
    const ended = await target.run(['import', file]);
    expect(ended).toMatchObject({ code: 3, stdout: '' });
    expect(await target.client.streams.get(name)).toMatchObject({
      firstVersion: 1n,
      version: 1n,
      controlPosition: 0n,
    });
  }
}, 60_000);

test('a control that comes while an export begins is reported, and the copy begins where it can be read', async () => {
  const { client } = source;
  await client.append('late.1', events(3));
  const file = join(folder, 'late.ndjson');
  await source.output(['export', 'late.1', '--output', file]);
  await client.streams.truncate('late.1', 3);
  const lines = readFileSync(file, 'utf8').split('\n');
  // What is read after the truncation, in a file that does not know of it.
  const [, , commit = ''] = (await source.output(['export', 'late.1'])).split('\n');
  const content = `${lines[0] ?? ''}\n${commit}\n`;
  const sha256 = createHash('sha256').update(content).digest('hex');
  const end = JSON.stringify({ end: { controls: 0, commits: 1, events: 1, sha256 } });
  await using target = await startCommandGateway();
  const output = await target.output(['import', '-'], `${content}${end}\n`);
  expect(output).toContain('with 2 placeholders for hidden events');
  expect(await target.client.streams.get('late.1')).toMatchObject({ version: 3n, firstVersion: 3n });
}, 60_000);

test('an erasure says what it does, and leaves stubs and a record', async () => {
  const { client } = source;
  const stream = 'erase.1';
  await client.append(stream, [{ type: 'A', data: 'secret' }]);
  await client.append(stream, [{ type: 'B' }, { type: 'C' }]);
  const erase = ['stream', 'erase', stream];
  expect(await source.run([...erase, '--from=1', '--to=1', '--reason=ticket 7'])).toMatchObject({ code: 2 });
  expect(await source.output([...erase, '--from=1', '--to=1', '--reason=ticket 7', '--dry-run'])).toBe(
    'would do this: erases version 1 of erase.1, for ever\n',
  );
  const splits = await source.run([...erase, '--from=1', '--to=2', '--reason=ticket 7', '--dry-run']);
  expect(splits).toMatchObject({ code: 1, stdout: '' });
  expect(splits.stderr).toContain('versions 2 and 3 of erase.1 were appended together');
  const refused = await source.run([...erase, '--from=1', '--to=2', '--reason=ticket 7', '--yes']);
  expect(refused).toMatchObject({ code: 2, stdout: '' });
  expect(refused.stderr).toContain('erase versions 1 to 3');
  expect(await source.run([...erase, '--from=1', '--to=4', '--reason=ticket 7', '--yes'])).toMatchObject({
    code: 2,
  });
  expect((await client.streams.get(stream)).controlPosition).toBe(0n);

  expect(await source.output([...erase, '--from=1', '--to=1', '--reason=ticket 7', '--yes'])).toBe(
    'version 1 of erase.1 is erased\n',
  );
  const lines = (await source.output(['read', stream])).split('\n').map((line) => line.split('\t').slice(3));
  expect(lines.slice(0, 3)).toEqual([
    ['1', 'A', '<erased>'],
    ['2', 'B', ''],
    ['3', 'C', ''],
  ]);
  const [stub] = await source.json(['read', stream, '--max-count=1']);
  expect(stub).toMatchObject({ version: '1', type: 'A', erased: true });
  expect(Object.keys(stub ?? {})).toEqual([
    'id',
    'stream',
    'version',
    'type',
    'erased',
    'position',
    'commitTime',
  ]);
  const shown = (await source.output(['stream', 'show', stream])).split('\n');
  expect(shown[1]?.split('\t')).toEqual([
    stream,
    'erased',
    '1',
    '1',
    expect.stringMatching(/^\d+$/) as unknown,
    expect.stringMatching(/Z$/) as unknown,
    '-',
    'ticket 7',
  ]);
  const again = await source.run([...erase, '--from=1', '--to=1', '--reason=ticket 7', '--yes']);
  expect(again).toMatchObject({ code: 0, stderr: 'sluice: erase.1 was like this already\n' });
  expect(await source.output([...erase, '--all', '--reason=ticket 8', '--yes'])).toBe(
    'versions 1 to 3 of erase.1 are erased\n',
  );
  const [described] = await source.json(['stream', 'show', stream]);
  expect(described?.['erased']).toMatchObject([
    { fromVersion: '1', toVersion: '1', reason: 'ticket 7' },
    { fromVersion: '1', toVersion: '3', reason: 'ticket 8' },
  ]);
  const refilled = await source.run(['append', stream], JSON.stringify(stub));
  expect(refilled).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('the event is erased') as unknown,
  });
});

test('an erasure of what was hidden before says what it may not reach', async () => {
  const { client } = source;
  await client.append('hidden.1', events(2));
  await client.streams.truncate('hidden.1', 3);
  const erase = ['stream', 'erase', 'hidden.1', '--all', '--reason=ticket 9'];
  const late =
    'what was hidden before may be removed from the log already, and is not overwritten there then';
  expect(await source.output([...erase, '--dry-run'])).toBe(
    `would do this: erases versions 1 to 2 of hidden.1, for ever; ${late}\n`,
  );
  expect(await source.run([...erase, '--yes'])).toEqual({
    code: 0,
    stdout: 'versions 1 to 2 of hidden.1 are erased\n',
    stderr: `sluice: hidden.1 begins at version 3: ${late}\n`,
  });
});

test('a copy by export and import has stubs for what was erased', async () => {
  const { client } = source;
  const names = ['wiped.1', 'wiped.2', 'wiped.3'];
  for (const name of names)
    for (let commit = 0; commit < 3; commit++)
      await client.append(name, [
        { type: 'A', data: 'secret', correlationId: 'wiped' },
        { type: 'B', data: 'secret' },
      ]);
  await client.streams.erase('wiped.1', { fromVersion: 1, toVersion: 4, reason: 'one' });
  await client.streams.erase('wiped.1', { fromVersion: 5, toVersion: 6, reason: 'two' });
  await client.streams.erase('wiped.2', { fromVersion: 3, toVersion: 4, reason: 'three' });
  await client.streams.tombstone('wiped.3');
  await client.streams.erase('wiped.3', { fromVersion: 1, toVersion: 6, reason: 'four' });
  const file = join(folder, 'wiped.ndjson');
  await source.output(['export', 'wiped.>', '--output', file]);
  expect(readFileSync(file, 'utf8').match(/secret/g)).toHaveLength(4);

  await using target = await startCommandGateway();
  const [first] = await target.json(['import', file]);
  expect(first).toMatchObject({ events: 12, erased: 8, replayed: 0, placeholders: 6 });
  const eventsOf = async ({ client: one }: CommandGateway): Promise<unknown[]> => {
    const found = [];
    for await (const { stream, version, id, type, data, correlationId, erased } of one.readAll({
      patterns: ['wiped.>'],
    }))
      found.push([stream, version, id, type, data, correlationId, erased]);
    return found;
  };
  const copied = await eventsOf(target);
  expect(copied).toEqual(await eventsOf(source));
  const reasonsOf = async (name: string): Promise<unknown[]> =>
    (await target.client.streams.get(name)).erased.map(({ fromVersion, toVersion, reason }) => [
      Number(fromVersion),
      Number(toVersion),
      reason,
    ]);
  expect(await reasonsOf('wiped.1')).toEqual([
    [1, 4, 'one'],
    [5, 6, 'two'],
  ]);
  expect(await reasonsOf('wiped.2')).toEqual([[3, 4, 'three']]);
  // What is erased in the copy stays so, and a repeated import stores nothing.
  await target.client.streams.erase('wiped.2', { fromVersion: 1, toVersion: 2, reason: 'later' });
  const [again] = await target.json(['import', file]);
  expect(again).toMatchObject({ erased: 8, replayed: first?.['commits'], placeholders: 0 });
  expect((await reasonsOf('wiped.2')).length).toBe(2);
}, 60_000);
