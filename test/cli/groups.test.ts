import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { GroupState } from '../../src/client/client';
import { findingsOf } from '../../src/cli/group-findings';
import { until } from '../support/nats-server';
import { linesOf, startCommandGateway, type CommandGateway } from './gateway-commands';

let gateway: CommandGateway;
const folder = mkdtempSync(join(tmpdir(), 'sluice-consume-'));
beforeAll(async () => {
  gateway = await startCommandGateway();
});
afterAll(async () => {
  await gateway[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

/** Appends events with these types, each as a commit. */
async function append(stream: string, ...types: readonly string[]): Promise<void> {
  for (const type of types) await gateway.client.append(stream, [{ type, data: `of ${type}` }]);
}

function linesOfFile(name: string): string[] {
  const path = join(folder, name);
  return existsSync(path) ? readFileSync(path, 'utf8').split('\n').slice(0, -1) : [];
}

describe('group', () => {
  test('creates, shows, changes, lists and deletes a group', async () => {
    const create = ['group', 'create', 'life', '--pattern', 'life.*', '--lanes', '4', '--ack-timeout', '2m'];
    const settings = ['--type', 'A', '--type-prefix', 'B', '--attempts-max', '3', '--park-following', 'yes'];
    expect(await gateway.output([...create, ...settings])).toBe('life\tlife.*\tA B*\t4 lanes\n');
    const [{ settings: stored } = {}] = await gateway.json(['group', 'list']);
    expect(stored).toEqual({
      patterns: ['life.*'],
      eventTypes: ['A'],
      eventTypePrefixes: ['B'],
      lanes: 4,
      attemptsMax: 3,
      backoffMinMs: 1_000,
      backoffMaxMs: 60_000,
      ackTimeoutMs: 120_000,
      handoverTimeoutMs: 5_000,
      parkedMax: 1_000,
      parkFollowing: true,
      skipUnreadable: false,
    });
    const { stderr } = await gateway.run([...create, ...settings]);
    expect(stderr).toBe('sluice: life exists already, with these settings\n');
    const update = ['group', 'update', 'life', '--type=', '--park-following', 'no', '--backoff-min', '50ms'];
    const [updated] = await gateway.json(update);
    expect(updated?.['settings']).toEqual({
      ...(stored as object),
      eventTypes: [],
      parkFollowing: false,
      backoffMinMs: 50,
    });
    await append('life.1', 'B1');
    const shown = await gateway.output(['group', 'get', 'life']);
    expect(shown).toMatch(/^group\tlife\tlag \d+\toldest -\tparked 0\t0 members\n(lane\t\d -\t.*\n){4}$/);
    expect(await gateway.output(['group', 'delete', 'life'])).toBe('life is deleted\n');
    expect(await gateway.output(['group', 'delete', 'life'])).toBe('there was no group life\n');
    const missing = await gateway.run(['group', 'get', 'life']);
    expect(missing).toMatchObject({ code: 1, stdout: '' });
  });

  test.each([
    [['group'], 'group needs one of create, update,'],
    [['group', 'creat', 'g'], 'did you mean create?'],
    [['group', 'get'], 'GROUP is missing'],
    [['group', 'list', 'g'], 'unexpected argument "g"'],
    [['group', 'get', 'g', '--force'], '--force is not for get'],
    [['group', 'update', 'g', '--lanes', '4'], '--lanes is not for update'],
    [['group', 'update', 'g'], 'update needs a setting to change'],
    [['group', 'create', 'g', '--ack-timeout', '30'], '--ack-timeout must be a time such as 500ms'],
    [['group', 'create', 'g', '--park-following', 'on'], '--park-following must be yes or no'],
    [['group', 'reset', 'g'], '--from is missing'],
    [['group', 'reset', 'g', '--from', 'never'], '--from must be a position'],
    [['group', 'replay', 'g', '--version', '1'], '--version needs --stream'],
    [['group', 'drop', 'g'], 'drop needs --stream, or --all'],
    [['consume'], 'GROUP is missing'],
    [['consume', 'g', '--concurrency', '2'], '--concurrency needs --exec'],
    [['consume', 'g', '--exec', 'true', '--concurrency', '0'], '--concurrency must be 1 to 1000'],
  ])('%j is refused before anything is called', async (args, message) => {
    const { code, stderr } = await gateway.run(args);
    expect({ code, stderr }).toEqual({ code: 2, stderr: expect.stringContaining(message) as string });
  });
});

describe('consume', () => {
  test('prints events, and does not print them again', async () => {
    await append('print.1', 'A', 'B');
    await gateway.output(['group', 'create', 'print', '--pattern', 'print.*']);
    const printed = await gateway.json(['consume', 'print', '--until-caught-up']);
    expect(printed.map(({ type, version }) => [type, version])).toEqual([
      ['A', '1'],
      ['B', '2'],
    ]);
    await append('print.1', 'C');
    expect(await gateway.output(['consume', 'print', '--until-caught-up'])).toContain(
      'print.1\t3\tC\tof C\n',
    );
    await gateway.output(['group', 'reset', 'print', '--from', '0']);
    expect((await gateway.json(['consume', 'print', '--until-caught-up'])).length).toBe(3);
  });

  test('--exec: the exit code decides, and the reason is what the process wrote last', async () => {
    await append('exec.1', 'Good', 'Bad', 'Good');
    await append('exec.2', 'Flaky', 'Good');
    await gateway.output(['group', 'create', 'exec', '--pattern', 'exec.*', '--backoff-min', '50ms']);
    const script = join(folder, 'handle.mjs');
    writeFileSync(
      script,
      `import { appendFileSync, readFileSync } from 'node:fs';
       const event = JSON.parse(readFileSync(0, 'utf8'));
       appendFileSync(${JSON.stringify(join(folder, 'exec.txt'))}, [event.stream, event.version, event.text, event.delivery.attempt].join(' ') + '\\n');
       if (event.type === 'Bad') { console.error('first\\nit is bad'); process.exit(65); }
       if (event.type === 'Flaky' && event.delivery.attempt < 3) process.exit(75);
       console.log(event.type);`,
    );
    const args = ['consume', 'exec', '--exec', `"${process.execPath}" "${script}"`, '--concurrency', '2'];
    const { code, stdout, stderr } = await gateway.run([...args, '--until-caught-up']);
    expect(code).toBe(0);
    expect(linesOfFile('exec.txt').filter((line) => line.startsWith('exec.1'))).toEqual([
      'exec.1 1 of Good 1',
      'exec.1 2 of Bad 1',
      'exec.1 3 of Good 1',
    ]);
    expect(stderr).toContain('first\nit is bad\n');
    expect(stderr).toContain('sluice: exec.1 2: exit code 65: it is bad\n');
    expect(stdout.split('\n')).toContain('Good');
    // The one that is retried may be left for later.
    await gateway.output([...args, '--until-caught-up']);
    await until(async () => {
      await gateway.output([...args, '--until-caught-up']);
      return linesOfFile('exec.txt').includes('exec.2 2 of Good 1');
    }, 20_000);
    expect(linesOfFile('exec.txt').filter((line) => line.startsWith('exec.2'))).toEqual([
      'exec.2 1 of Flaky 1',
      'exec.2 1 of Flaky 2',
      'exec.2 1 of Flaky 3',
      'exec.2 2 of Good 1',
    ]);
    const parked = await gateway.json(['group', 'parked', 'exec', '--events']);
    expect(parked).toMatchObject([
      {
        stream: 'exec.1',
        version: '2',
        type: 'Bad',
        attempts: 1,
        reason: 'exit code 65: it is bad',
        event: { text: 'of Bad' },
      },
    ]);
    expect(await gateway.output(['group', 'drop', 'exec', '--all'])).toBe('dropped 1 event\n');
    expect((await gateway.run(['group', 'parked', 'exec'])).stderr).toBe(
      'sluice: exec has no parked events\n',
    );
  }, 60_000);

  test('--exec of a command that is not there ends it, and no attempt is counted', async () => {
    await append('typo.1', 'A');
    await gateway.output(['group', 'create', 'typo', '--pattern', 'typo.*', '--attempts-max', '1']);
    const { code, stderr } = await gateway.run(['consume', 'typo', '--exec', 'no-such-program']);
    expect(code).toBe(1);
    expect(stderr).toContain('sluice: --exec cannot be run: exit code 127: ');
    const [event] = await gateway.json(['consume', 'typo', '--until-caught-up']);
    expect(event).toMatchObject({ type: 'A' });
    expect(await gateway.output(['group', 'parked', 'typo'])).toBe('');
  });

  test.each(['SIGTERM', 'SIGINT'] as const)(
    '%s lets the processes finish that run',
    async (signal) => {
      const name = `drain-${signal}`;
      await append(`${name}.1`, 'A');
      await append(`${name}.2`, 'A');
      await gateway.output(['group', 'create', name, '--pattern', `${name}.*`]);
      const file = join(folder, name);
      const exec = `echo begun >> "${file}"; sleep 1; echo done >> "${file}"`;
      await using consume = await gateway.start(['consume', name, '--exec', exec, '--concurrency', '2']);
      await until(() => linesOfFile(name).length >= 2, 20_000);
      consume.signal(signal);
      expect(await consume.ended()).toBe(0);
      expect(linesOfFile(name).toSorted()).toEqual(['begun', 'begun', 'done', 'done']);
      expect(await gateway.output(['consume', name, '--until-caught-up'])).toBe('');
    },
    40_000,
  );

  test('a member for which there is no lane has caught up', async () => {
    await append('crowded.1', 'A');
    await gateway.output(['group', 'create', 'crowded', '--pattern', 'crowded.*', '--lanes', '1']);
    const exec = `echo begun >> "${join(folder, 'crowded')}"`;
    await using one = await gateway.start(['consume', 'crowded', '--exec', exec]);
    await using two = await gateway.start(['consume', 'crowded', '--exec', exec]);
    await until(() => linesOfFile('crowded').length === 1, 20_000);
    expect(await gateway.output(['consume', 'crowded', '--until-caught-up'])).toBe('');
    for (const member of [one, two]) {
      member.signal('SIGTERM');
      expect(await member.ended()).toBe(0);
    }
  }, 60_000);

  test('a second signal ends it at once, and what it runs as well', async () => {
    await append('hurry.1', 'A');
    await gateway.output(['group', 'create', 'hurry', '--pattern', 'hurry.*']);
    const exec = `trap 'echo ended >> "${join(folder, 'hurry')}"; exit 1' TERM; echo begun >> "${join(folder, 'hurry')}"; sleep 30 & wait`;
    await using consume = await gateway.start(['consume', 'hurry', '--exec', exec]);
    await until(() => linesOfFile('hurry').length === 1, 20_000);
    consume.signal('SIGTERM');
    await sleep(200);
    consume.signal('SIGTERM');
    expect(await consume.ended()).toBe(143);
    await until(() => linesOfFile('hurry').includes('ended'));
    // Another member gets the event.
    expect((await gateway.json(['consume', 'hurry', '--until-caught-up'])).length).toBe(1);
  }, 40_000);

  test('a group that does not exist is an error at once', async () => {
    const { code, stdout } = await gateway.run(['consume', 'nobody']);
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
  });
});

describe('doctor', () => {
  test('warns of a group without members that is behind, and of parked events', async () => {
    await append('sick.1', 'A', 'B');
    await gateway.output(['group', 'create', 'sick', '--pattern', 'sick.*']);
    const run = ['consume', 'sick', '--until-caught-up', '--exec', 'exit 65'];
    const found = async (): Promise<unknown[]> =>
      linesOf((await gateway.run(['doctor', '--json'])).stdout)
        .filter(({ check, message }) => check === 'groups' && String(message).includes(' sick '))
        .map(({ level, message, remedy }) => [level, message, remedy]);
    expect(await found()).toEqual([
      [
        'warn',
        expect.stringMatching(/^the consumer group sick has no members and is \d+ positions behind$/),
        'start a member, or delete the group',
      ],
    ]);
    await gateway.output(run);
    expect(await found()).toContainEqual([
      'warn',
      'the consumer group sick has 2 parked events',
      'list them: sluice group parked sick',
    ]);
  });

  test('an old event without acknowledgement is a warning, a young one is not', () => {
    const nowMs = Date.parse('2026-11-25T12:00:00Z');
    const state = (oldestTime: Date | undefined): GroupState =>
      ({
        group: { name: 'g' },
        members: [{ id: 'm' }],
        lanes: [],
        lag: 7n,
        parkedCount: 0,
        oldestTime,
      }) as unknown as GroupState;
    const messages = (ageMs: number): string[] =>
      findingsOf(state(new Date(nowMs - ageMs)), nowMs).map(({ message }) => message);
    expect(findingsOf(state(undefined), nowMs)).toEqual([]);
    expect(messages(59_000)).toEqual([]);
    const behind = 'the consumer group g is 7 positions behind; its oldest event without acknowledgement is';
    expect(messages(61_000)).toEqual([`${behind} 1 minute old`]);
    expect(messages(3 * 3_600_000)).toEqual([`${behind} 3 hours old`]);
    expect(messages(72 * 3_600_000)).toEqual([`${behind} 3 days old`]);
  });

  test('a lane whose record is nearly full is a warning', () => {
    const lanes = [749, 750, 0].map((streamsWaiting, number) => ({ number, streamsWaiting }));
    const state = { group: { name: 'g' }, members: [{ id: 'm' }], lanes, lag: 7n, parkedCount: 0 };
    expect(findingsOf(state as unknown as GroupState, 0)).toEqual([
      {
        check: 'groups',
        level: 'warn',
        message: expect.stringContaining('the consumer group g has 750 streams in lane 1 that') as string,
        remedy: expect.stringContaining('sluice group update g --attempts-max') as string,
      },
    ]);
  });
});
