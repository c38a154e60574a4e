import { mkdirSync, renameSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { AuthFileError } from '../../src/auth/auth-file-error';
import { UnauthenticatedError } from '../../src/auth/errors';
import { anonymous, type Credentials, type Identity } from '../../src/auth/identity';
import { until } from '../support/nats-server';
import { makeKey } from '../support/oidc-issuer';
import { openGuardFile, temporaryFolder, type GuardFile } from './guard-file';

const none: Credentials = { authorization: undefined, certificate: undefined };

function anonymousReads(...streams: readonly string[]) {
  return { principals: { anonymous: { grants: [{ actions: ['read'], streams }] } } };
}

function mayRead({ guard }: GuardFile, stream: string): boolean {
  return guard.permissionsOf(anonymous).allows('read', stream);
}

function reasonOf(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    if (error instanceof UnauthenticatedError) return error.reason;
    throw error;
  }
  return 'accepted';
}

describe('a guard', () => {
  test('serves anonymous callers only if the file grants them something', async () => {
    using open = await openGuardFile(anonymousReads('a.>'));
    expect(open.guard.identify(none)).toBe(anonymous);
    expect([mayRead(open, 'a.1'), mayRead(open, 'b.1')]).toEqual([true, false]);
    using shut = await openGuardFile({ defaults: { grants: [{ actions: ['read'], streams: ['>'] }] } });
    expect(reasonOf(() => shut.guard.identify(none))).toBe('missing');
    expect(
      reasonOf(() => {
        shut.guard.check(anonymous);
      }),
    ).toBe('missing');
    expect(mayRead(shut, 'a.1')).toBe(false);
  });

  test.each([
    '',
    'Bearer',
    'Bearer ',
    'Basic YTpi',
    'bearer a b',
    'Bearer slu_x',
    'Bearer a.b.c',
    `Bearer ${'x'.repeat(8_192)}`,
  ])('does not take a caller with the authorization %j for an anonymous one', async (authorization) => {
    using file = await openGuardFile(anonymousReads('>'));
    const identify = async (): Promise<Identity> => file.guard.identify({ ...none, authorization });
    await expect(identify()).rejects.toMatchObject({ reason: 'invalid' });
  });

  test('has one object of permissions for an identity and a generation', async () => {
    using file = await openGuardFile(anonymousReads('a.>'));
    const first = file.guard.permissionsOf(anonymous);
    expect(file.guard.permissionsOf(anonymous)).toBe(first);
    file.write(anonymousReads('b.>'));
    await file.guard.reload();
    expect(file.guard.permissionsOf(anonymous)).not.toBe(first);
  });
});

describe('at the start', () => {
  test.each([
    ['is not JSON', 'x', ['must be JSON; see line 1 column 1']],
    ['has an error', { tokens: 1 }, ['tokens must be a list']],
    ['does not exist', undefined, ['cannot be read: ENOENT']],
    [
      'names files that do not exist',
      {
        issuers: [
          { name: 'c', issuer: 'c', audience: 's', algorithms: ['ES256'], keys: { file: 'keys.json' } },
        ],
        certificates: { crl_file: 'crl.pem' },
      },
      ['issuers[0].keys.file cannot be read: ENOENT', 'certificates.crl_file cannot be read: ENOENT'],
    ],
  ])('a file that %s is an error with all problems', async (_, file, problems) => {
    const folder = temporaryFolder();
    const error = await openGuardFile(file, { folder }).catch((err: unknown) => err);
    expect(error).toBeInstanceOf(AuthFileError);
    expect(error).toMatchObject({ file: join(folder, 'auth.json'), problems });
    rmSync(folder, { recursive: true });
  });

  test('a folder or a pipe is not a file', async () => {
    const folder = temporaryFolder();
    mkdirSync(join(folder, 'auth.json'));
    await expect(openGuardFile(undefined, { folder })).rejects.toMatchObject({ problems: ['is not a file'] });
    rmSync(folder, { recursive: true });
  });
});

describe('a new generation', () => {
  test('replaces the one before as a whole, and is announced', async () => {
    using file = await openGuardFile(anonymousReads('a.>'));
    const generations: number[] = [];
    file.guard.onChange(() => generations.push(file.guard.generation));
    await file.guard.reload();
    expect([file.guard.generation, generations]).toEqual([1, []]);
    file.write({ ...anonymousReads('b.>'), audit: { file: 'log/audit.jsonl' } });
    await file.guard.reload();
    expect([mayRead(file, 'a.1'), mayRead(file, 'b.1'), file.guard.generation]).toEqual([false, true, 2]);
    expect(generations).toEqual([2]);
    expect(file.guard.audit).toEqual({
      file: join(file.folder, 'log/audit.jsonl'),
      events: 'writes',
      when_full: 'drop',
    });
    file.write({});
    await file.guard.reload();
    expect(
      reasonOf(() => {
        file.guard.check(anonymous);
      }),
    ).toBe('missing');
  });

  test('comes by itself', async () => {
    using file = await openGuardFile(anonymousReads('a.>'), { lookIntervalMs: 20 });
    file.write(anonymousReads('b.>'));
    await until(() => mayRead(file, 'b.1'), 5_000);
  });

  test('comes when a file is replaced by one of the same size and with an older time', async () => {
    using file = await openGuardFile(anonymousReads('a.>'));
    const other = join(file.folder, 'other.json');
    writeFileSync(other, JSON.stringify(anonymousReads('b.>')));
    utimesSync(other, 1, 1);
    renameSync(other, file.path);
    await file.guard.reload();
    expect(mayRead(file, 'b.1')).toBe(true);
  });

  test('comes when a symbolic link on the way to the file changes, as in a volume of Kubernetes', async () => {
    const folder = temporaryFolder();
    for (const [version, stream] of [
      ['v1', 'a.>'],
      ['v2', 'b.>'],
    ] as const) {
      mkdirSync(join(folder, version));
      writeFileSync(join(folder, version, 'auth.json'), JSON.stringify(anonymousReads(stream)));
      utimesSync(join(folder, version, 'auth.json'), 1, 1);
    }
    symlinkSync('v1', join(folder, '..data'));
    symlinkSync(join('..data', 'auth.json'), join(folder, 'auth.json'));
    using file = await openGuardFile(undefined, { folder });
    expect(mayRead(file, 'a.1')).toBe(true);
    symlinkSync('v2', join(folder, '..data_tmp'));
    renameSync(join(folder, '..data_tmp'), join(folder, '..data'));
    await file.guard.reload();
    expect([mayRead(file, 'a.1'), mayRead(file, 'b.1')]).toEqual([false, true]);
  });

  test('comes with every look that was asked for after a change, however many are asked for', async () => {
    using file = await openGuardFile(anonymousReads('a.>'));
    const looks: Promise<void>[] = [];
    for (let i = 0; i < 50; i++) {
      looks.push(file.guard.reload());
      file.write(anonymousReads(`s${i}.>`));
      if (i % 10 === 0) await Promise.resolve();
    }
    await Promise.all(looks);
    await file.guard.reload();
    expect(mayRead(file, 's49.1')).toBe(true);
    expect(file.guard.generation).toBeLessThan(52);
  });
});

describe('a file that cannot be used while the gateway runs', () => {
  test('changes nothing, and is logged once for each content', async () => {
    using file = await openGuardFile(anonymousReads('a.>'));
    const errors = () => file.logged.filter(({ level }) => level === 50).map(({ problems }) => problems);
    const broken = { roles: { r: { grants: 1 } } };
    file.write(broken);
    for (let i = 0; i < 3; i++) await file.guard.reload();
    expect(errors()).toEqual([['roles.r.grants must be a list']]);
    rmSync(file.path);
    for (let i = 0; i < 3; i++) await file.guard.reload();
    expect(errors().slice(1)).toEqual([['cannot be read: ENOENT']]);
    file.write(broken);
    await file.guard.reload();
    expect(errors()).toHaveLength(3);
    expect([mayRead(file, 'a.1'), file.guard.generation]).toEqual([true, 1]);
    file.write(anonymousReads('a.>'));
    await file.guard.reload();
    expect(file.guard.generation).toBe(1);
    file.write(anonymousReads('b.>'));
    await file.guard.reload();
    expect([mayRead(file, 'b.1'), file.guard.generation]).toEqual([true, 2]);
    expect(file.logged.at(-1)).toMatchObject({ generation: 2 });
  });

  test('a file with keys that is gone keeps the last good set', async () => {
    const folder = temporaryFolder();
    const { jwk } = await makeKey();
    const keys = {
      name: 'c',
      issuer: 'c',
      audience: 's',
      algorithms: ['ES256'],
      keys: { file: 'keys.json' },
    };
    const withKeys = { ...anonymousReads('a.>'), issuers: [keys] };
    writeFileSync(join(folder, 'keys.json'), JSON.stringify({ keys: [jwk] }));
    using file = await openGuardFile(withKeys, { folder });
    rmSync(join(folder, 'keys.json'));
    await file.guard.reload();
    expect(file.logged.at(-1)?.problems).toEqual(['issuers[0].keys.file cannot be read: ENOENT']);
    expect([mayRead(file, 'a.1'), file.guard.generation]).toEqual([true, 1]);
    writeFileSync(join(folder, 'keys.json'), JSON.stringify({ keys: [jwk, jwk] }));
    await file.guard.reload();
    expect(file.guard.generation).toBe(2);
  });
});

test('after its end, a guard looks at nothing', async () => {
  const file = await openGuardFile(anonymousReads('a.>'));
  file.guard.close();
  file.write(anonymousReads('b.>'));
  await file.guard.reload();
  expect([mayRead(file, 'a.1'), file.guard.generation]).toEqual([true, 1]);
  rmSync(file.folder, { recursive: true });
});
