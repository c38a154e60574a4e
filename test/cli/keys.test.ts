import { randomBytes } from 'node:crypto';
import { chmodSync, existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { UsageError } from '../../src/cli/failure';
import { commands } from '../../src/cli/run';
import { openKeyBucket, openKeyFolder } from '../../src/keys/keys';
import { linesOf, startCommandGateway, type CommandGateway } from './gateway-commands';
import { runSluice } from './process';

let gateway: CommandGateway;
/** Each command is a process, and machines that run tests are busy. */
jest.setTimeout(180_000);

const base = mkdtempSync(join(tmpdir(), 'sluice-keys-command-'));
beforeAll(async () => {
  gateway = await startCommandGateway();
});
afterAll(async () => {
  await gateway[Symbol.asyncDispose]();
  rmSync(base, { recursive: true });
});

let folders = 0;
const newFolder = (): string => join(base, `keys-${(folders++).toString()}`);
const uuid = '[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}';
const time = '\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d\\.\\d{3}Z';

describe('commands of events with --keys', () => {
  const keys = newFolder();
  const withKeys = ['--keys', keys];
  const append = ['append', 'customer.42', '--type', 'Registered', '--encrypt-for', 'customer-42'];
  const data = ['--data', '{"name":"Ada"}', '--content-type', 'application/json', '--correlation-id', 'c-1'];

  beforeAll(async () => {
    await gateway.output([...append, ...data, ...withKeys]);
    await gateway.output([
      'append',
      'customer.42',
      '--type',
      'Moved',
      '--data',
      'open',
      '--correlation-id',
      'c-1',
    ]);
    await gateway.output(['group', 'create', 'mails', '--pattern', 'customer.42', '--attempts-max', '1']);
    await gateway.output(['consume', 'mails', '--until-caught-up', '--exec', 'exit 65']);
  }, 120_000);

  const readers: readonly (readonly [string, readonly string[]])[] = [
    ['read', ['read', 'customer.42']],
    ['read --follow', ['read', 'customer.42', '--follow', '--max-count', '2']],
    ['tail', ['tail', 'customer.*', '--from', '0', '--max-count', '2']],
    ['correlation', ['correlation', 'c-1']],
    ['consume', ['consume', 'prints', '--until-caught-up']],
  ];

  test.each(readers)(
    '%s prints what was encrypted, and without --keys what is stored',
    async (name, args) => {
      const createGroup = (): Promise<string> =>
        gateway.output(['group', 'create', 'prints', '--pattern', 'customer.42']);
      if (name === 'consume') await createGroup();
      const printed = await gateway.output([...args, ...withKeys]);
      expect(printed).toContain('\tcustomer.42\t1\tRegistered\t{"name":"Ada"}\n');
      expect(printed).toContain('\tcustomer.42\t2\tMoved\topen\n');
      if (name === 'consume') {
        await gateway.output(['group', 'delete', 'prints']);
        await createGroup();
      }
      const stored = await gateway.output(args);
      expect(stored).toMatch(/\tcustomer\.42\t1\tRegistered\t<42 bytes: [0-9a-f]{84}>\n/);
      expect(stored).not.toContain('Ada');
      if (name === 'consume') await gateway.output(['group', 'delete', 'prints']);
    },
  );

  test('JSON has the subject, and can be appended again', async () => {
    const read = await gateway.output(['read', 'customer.42', '--json', '--max-count', '1', ...withKeys]);
    const [event] = linesOf(read);
    expect(event).toMatchObject({
      text: '{"name":"Ada"}',
      contentType: 'application/json',
      encryptedFor: 'customer-42',
    });
    expect(event).not.toHaveProperty('metadata');
    await gateway.output(['append', 'customer.43', ...withKeys], read);
    expect(await gateway.json(['read', 'customer.43', ...withKeys])).toMatchObject([
      { text: '{"name":"Ada"}', encryptedFor: 'customer-42' },
    ]);
    expect(await gateway.run(['append', 'customer.44'], read)).toMatchObject({
      code: 1,
      stderr: 'sluice: encryptedFor of an event of type Registered needs --keys\n',
    });
    const raw = await gateway.output(['read', 'customer.42', '--json', '--max-count', '1']);
    const again = ['append', 'customer.44', '--encrypt-for', 'customer-42', ...withKeys];
    expect(await gateway.run(again, raw)).toMatchObject({
      code: 1,
      stderr: 'sluice: an event of type Registered is encrypted already: read it with --keys\n',
    });
  });

  test('group parked decrypts events', async () => {
    const parked = ['group', 'parked', 'mails', '--events'];
    const [{ event } = {}] = await gateway.json([...parked, ...withKeys]);
    expect(event).toMatchObject({ text: '{"name":"Ada"}', encryptedFor: 'customer-42' });
  });

  test('an export keeps events encrypted, and its import can be read', async () => {
    const file = join(base, 'export.ndjson');
    await gateway.output(['export', 'customer.42', '--output', file]);
    await using other = await startCommandGateway();
    await other.output(['import', file]);
    expect(await other.output(['read', 'customer.42', ...withKeys])).toContain('{"name":"Ada"}');
  });

  test('after the subject was forgotten, they print that', async () => {
    expect(await runSluice(['keys', 'forget', 'customer-42', '--yes', ...withKeys])).toMatchObject({
      code: 0,
    });
    for (const [name, args] of readers) {
      if (name === 'consume') continue;
      expect(await gateway.output([...args, ...withKeys])).toContain('\tRegistered\t<forgotten>\n');
    }
    const read = await gateway.output(['read', 'customer.42', '--json', '--max-count', '1', ...withKeys]);
    expect(linesOf(read)).toMatchObject([{ encryptedFor: 'customer-42', forgotten: true }]);
    expect(read).not.toContain('"text"');
    expect(await gateway.run(['append', 'customer.45', ...withKeys], read)).toMatchObject({
      code: 1,
      stderr: 'sluice: line 1 of standard input: the event is forgotten, its payload is gone\n',
    });
  });

  test('what cannot be decrypted is an error', async () => {
    const other = newFolder();
    await using store = await openKeyFolder(other);
    await store.create('customer-42');
    await gateway.output([...append.with(1, 'customer.46'), ...data, ...withKeys]);
    const { code, stderr } = await gateway.run(['read', 'customer.46', '--keys', other]);
    expect({ code, stderr }).toEqual({
      code: 1,
      stderr: expect.stringMatching(
        new RegExp(`^sluice: event 1 of customer\\.46: the key store has no key ${uuid} of customer-42`),
      ) as string,
    });
    const missing = join(base, 'missing');
    expect(await gateway.run(['read', 'customer.46', '--keys', missing])).toMatchObject({ code: 4 });
    expect(existsSync(missing)).toBe(false);
  });
});

describe('keys', () => {
  test('lists, shows and forgets, and prints no key', async () => {
    const folder = newFolder();
    const keys = ['--keys', folder];
    await using store = await openKeyFolder(folder);
    const { id, bytes } = await store.create('customer-42');
    const line = (state: string): RegExp => new RegExp(`^customer-42\t${state}\t${id}\t${time}\n$`);
    const list = await runSluice(['keys', 'list', ...keys]);
    expect(list).toMatchObject({ code: 0, stderr: '', stdout: expect.stringMatching(line('key')) as string });
    expect(await runSluice(['keys', 'show', 'customer-42', ...keys])).toEqual(list);
    const asJson = await runSluice(['keys', 'show', 'customer-42', '--json', ...keys]);
    expect(linesOf(asJson.stdout)).toEqual([
      { subject: 'customer-42', key: { id, createTime: expect.any(String) as string }, forgotten: [] },
    ]);
    for (const form of ['base64', 'hex'] as const)
      expect(list.stdout + asJson.stdout).not.toContain(Buffer.from(bytes).toString(form));

    const dry = await runSluice(['keys', 'forget', 'customer-42', '--dry-run', ...keys]);
    expect(dry).toEqual(list);
    expect(await store.get('customer-42', { fresh: true })).toMatchObject({ key: { id } });
    const unconfirmed = await runSluice(['keys', 'forget', 'customer-42', ...keys], {}, 'customer-42\n');
    expect(unconfirmed).toMatchObject({ code: 2, stdout: '' });
    expect(unconfirmed.stderr).toContain(
      'sluice: --yes is missing: standard input is not a terminal, so nobody can confirm',
    );
    expect(await store.get('customer-42', { fresh: true })).toMatchObject({ key: { id } });

    const forget = ['keys', 'forget', 'customer-42', '--yes', ...keys];
    const forgotten = expect.stringMatching(line('forgotten')) as string;
    expect(await runSluice(forget)).toEqual({
      code: 0,
      stdout: forgotten,
      stderr: 'sluice: customer-42 is forgotten; other processes may use what they know for 10 s\n',
    });
    expect(await store.get('customer-42', { fresh: true })).toMatchObject({ key: undefined });
    expect(await runSluice(forget)).toEqual({
      code: 0,
      stdout: forgotten,
      stderr: 'sluice: customer-42 was forgotten already\n',
    });
    expect(await runSluice(['keys', 'list', ...keys])).toMatchObject({ stdout: forgotten });
  });

  test('a subject that the key store does not know is an error', async () => {
    const keys = ['--keys', newFolder()];
    await using store = await openKeyFolder(keys[1] ?? '');
    await store.create('customer-42');
    for (const args of [['show'], ['forget', '--yes'], ['forget', '--dry-run']]) {
      const [verb = '', ...more] = args;
      expect(await runSluice(['keys', verb, 'customer-24', ...more, ...keys])).toEqual({
        code: 1,
        stdout: '',
        stderr: 'sluice: the key store has never had a key of customer-24; nothing was forgotten\n',
      });
    }
    const empty = newFolder();
    await (await openKeyFolder(empty)).close();
    expect(await runSluice(['keys', 'list', '--keys', empty])).toEqual({
      code: 0,
      stdout: '',
      stderr: 'sluice: the key store has no subjects\n',
    });
  });

  test('a bucket is that of the NATS of SLUICE_NATS_URL', async () => {
    const env = { SLUICE_NATS_URL: gateway.nats.url };
    await using store = await openKeyBucket({ servers: [gateway.nats.url], bucket: 'keys' });
    await store.create('customer-42');
    const keys = ['--keys', 'kv:keys'];
    expect(await runSluice(['keys', 'list', ...keys], env)).toMatchObject({ code: 0, stderr: '' });
    expect(await runSluice(['keys', 'forget', 'customer-42', '--yes', ...keys], env)).toMatchObject({
      code: 0,
    });
    expect(await store.get('customer-42', { fresh: true })).toMatchObject({ key: undefined });
    expect(await runSluice(['keys', 'list', '--keys', 'kv:other'], env)).toEqual({
      code: 4,
      stdout: '',
      stderr: 'sluice: the key bucket other cannot be used: NATS has no such bucket\n',
    });
    expect(await runSluice(['keys', 'list', ...keys])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('--keys=kv:... needs the variable SLUICE_NATS_URL') as string,
    });
    const wrong = await runSluice(['keys', 'list', ...keys], { SLUICE_NATS_URL: 'nowhere at all' });
    expect(wrong).toMatchObject({ code: 2, stderr: expect.stringContaining('SLUICE_NATS_URL') as string });
  });

  test('keys can be wrapped by a master key, which forgetting does not need', async () => {
    const [folder, file] = [newFolder(), join(base, 'master.key')];
    writeFileSync(file, randomBytes(32).toString('base64'), { mode: 0o600 });
    const master = ['--keys', folder, '--master-key-file', file];
    const append = [
      'append',
      'wrapped.1',
      '--type',
      'Noted',
      '--data',
      'secret',
      '--encrypt-for',
      'wrapped-1',
    ];
    await gateway.output([...append, ...master]);
    expect(await gateway.output(['read', 'wrapped.1', ...master])).toContain('\tsecret\n');
    expect(await gateway.run(['read', 'wrapped.1', '--keys', folder])).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('is wrapped by a master key, and none was given') as string,
    });
    expect(await runSluice(['keys', 'forget', 'wrapped-1', '--yes', '--keys', folder])).toMatchObject({
      code: 0,
    });
    chmodSync(file, 0o644);
    expect(await gateway.run(['read', 'wrapped.1', ...master])).toMatchObject({
      code: 1,
      stderr: expect.stringContaining(`others may read ${file}`) as string,
    });
    expect(
      await gateway.run(['read', 'wrapped.1', '--keys', folder, '--master-key-file', join(base, 'no')]),
    ).toMatchObject({ code: 1, stderr: expect.stringContaining('ENOENT') as string });
  });

  const wrong: readonly (readonly [readonly string[], string])[] = [
    [['keys'], 'keys needs one of list, show, forget'],
    [['keys', 'forgot', '--keys', 'x'], 'did you mean forget?'],
    [['keys', 'list'], '--keys is missing'],
    [['keys', 'list', 'more', '--keys', 'x'], 'unexpected argument "more"'],
    [['keys', 'show', '--keys', 'x'], 'SUBJECT is missing'],
    [['keys', 'forget', 'a b', '--keys', 'x'], 'SUBJECT: a data subject must be 1 to 128 visible ASCII'],
    [['keys', 'list', '--yes', '--keys', 'x'], '--yes is not for list'],
    [['keys', 'show', 'x', '--dry-run', '--keys', 'x'], '--dry-run is not for show'],
    [['keys', 'list', '--keys', 'kv:a.b'], '--keys: a bucket must be 1 to 64 of'],
    [['keys', 'list', '--keys='], '--keys must be a folder'],
    [['read', 'a.1', '--master-key-file', 'x'], '--master-key-file needs --keys'],
    [['append', 'a.1', '--type', 'T', '--encrypt-for', 'x'], '--encrypt-for needs --keys'],
    [
      ['append', 'a.1', '--type', 'T', '--encrypt-for', 'ä', '--keys', 'x'],
      '--encrypt-for: a data subject must',
    ],
    [['group', 'list', '--keys', 'x'], '--keys is not for list'],
  ];
  test.each(wrong)('%j is a wrong command line', ([name, ...args], message) => {
    const command = commands.find((one) => one.name === name);
    let failure: unknown;
    try {
      command?.prepare(args);
    } catch (error) {
      failure = error;
    }
    expect(failure).toBeInstanceOf(UsageError);
    expect((failure as UsageError).message).toContain(message);
  });
});
