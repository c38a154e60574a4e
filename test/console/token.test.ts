import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { connect } from '../../src/client/client';
import { makeAuthFile } from '../support/access';
import { until } from '../support/nats-server';
import { makeReplicaDir } from '../support/replica-dir';
import type { Watched } from './browser';
import { inBrowser, startOnce } from './started';

/** The console in front of a gateway with an auth file. */
const auditFile = join(makeReplicaDir(), 'audit.jsonl');
const auth = makeAuthFile(
  {
    owner: {
      grants: [
        { actions: ['append', 'read', 'subscribe', 'manage'], streams: ['>'] },
        { actions: ['admin', 'info'] },
      ],
    },
    reader: { grants: [{ actions: ['read'], streams: ['open.>'] }, { actions: ['info'] }] },
  },
  { audit: { file: auditFile } },
);

const started = startOnce([`--auth-file=${auth.path}`], async ({ address }) => {
  using client = connect(address, { token: auth.tokenOf('owner') });
  await client.append('open.1', [{ type: 'Shown' }]);
  await client.append('closed.1', [{ type: 'Hidden' }]);
});

async function logIn({ page }: Watched, token: string): Promise<void> {
  await page.getByLabel('Token', { exact: true }).last().fill(token);
  await page.getByRole('button', { name: 'Use it' }).click();
}

inBrowser('a token', () => {
  test('that is wrong shows what is wrong, and nothing else', async () => {
    await using watched = await started().at('#/token');
    await logIn(watched, 'sluice_wrong');
    await watched.page
      .getByText('UNAUTHENTICATED')
      .or(watched.page.getByText('The gateway does not know you'))
      .first()
      .waitFor();
    await watched.page.goto(started().addressOf('#/stream/open.1'));
    await watched.page.getByText('The gateway does not know you').waitFor();
    expect(await watched.page.getByText('Shown').count()).toBe(0);
    expect(watched.faults).toEqual([]);
  });

  test('is nowhere but in memory: a reload forgets it', async () => {
    await using watched = await started().at('#/token');
    const { page } = watched;
    await logIn(watched, auth.tokenOf('reader'));
    await page.getByText('token:reader').waitFor();
    const kept = await page.evaluate<string>(
      'JSON.stringify([{ ...localStorage }, { ...sessionStorage }, document.cookie, location.href, document.documentElement.outerHTML])',
    );
    expect(kept).not.toContain(auth.tokenOf('reader'));
    await page.reload();
    await page.getByText('no token').waitFor();
    expect(watched.faults).toEqual([]);
  });

  test('without grants shows no other streams, and no actions', async () => {
    await using watched = await started().at('#/token');
    const { page } = watched;
    await logIn(watched, auth.tokenOf('reader'));
    await page.getByText('token:reader').waitFor();
    await page.evaluate("location.hash = '#/streams'");
    await page.getByRole('link', { name: 'open.1' }).waitFor();
    expect(await page.getByText('closed.1').count()).toBe(0);
    await page.evaluate("location.hash = '#/actions?stream=open.1'");
    await page.getByText('You have no grant of').waitFor();
    expect(await page.getByRole('button', { name: 'Tombstone' }).count()).toBe(0);
    await page.evaluate("location.hash = '#/stream/closed.1'");
    await page.getByText('You may not do this').waitFor();
    expect(watched.faults).toEqual([]);
  });

  test('is who the audit log has for an action', async () => {
    await using watched = await started().at('#/token');
    const { page } = watched;
    await logIn(watched, auth.tokenOf('owner'));
    await page.getByText('token:owner').waitFor();
    await page.evaluate("location.hash = '#/actions?stream=closed.1'");
    await page.getByRole('button', { name: 'Delete' }).click();
    await page.getByLabel('Type closed.1 to confirm').fill('closed.1');
    await page.getByRole('form', { name: 'Confirm: Delete' }).getByRole('button', { name: 'Delete' }).click();
    await page.getByText('The stream is deleted').waitFor();
    const host = /\d+\.\d+\.\d+\.\d+:\d+/;
    await until(() => auditLines().some(({ call }) => call === 'DeleteStream'));
    expect(auditLines().find(({ call }) => call === 'DeleteStream')).toMatchObject({
      principal: 'token:owner',
      streams: ['closed.1'],
      outcome: 'OK',
      peer: expect.stringMatching(host) as string,
    });
    expect(watched.faults).toEqual([]);
  });
});

function auditLines(): Record<string, unknown>[] {
  const lines = readFileSync(auditFile, 'utf8').split('\n').slice(0, -1);
  return lines.map((line) => JSON.parse(line) as Record<string, unknown>);
}
