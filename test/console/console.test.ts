import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer, request, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import type { BrowserContextOptions, Page } from 'playwright-core';
import { connect, ParkEvent, type SluiceClient } from '../../src/client/client';
import { until } from '../support/nats-server';
import { uuidV7 } from '../../src/uuid';
import { patience } from '../support/patience';
import { open, type Watched } from './browser';
import { seed } from './seeded';
import { inBrowser, startOnce } from './started';

/** The console in Chromium: one browser and one gateway for all tests. */
const started = startOnce([], async ({ address }) => {
  client = connect(address);
  await seed(address);
});
let client: SluiceClient;
afterAll(() => {
  if (inBrowser === describe) client[Symbol.dispose]();
});

function at(page: string, options?: BrowserContextOptions): Promise<Watched> {
  return started().at(page, options);
}

const pages: readonly (readonly [string, string, string])[] = [
  ['Store', '#/', 'synced to disk'],
  ['Streams', '#/streams', 'payment.12'],
  ['A stream', '#/stream/order.1', 'LabelPrinted'],
  ['An event', '#/event/order.1/2', 'OrderConfirmed'],
  ['Search', '#/search?by=correlation&q=checkout-1', 'PaymentTaken'],
  ['Groups', '#/groups', 'emails'],
  ['A group', '#/groups/emails', 'the mail server refused the address'],
  ['Tail', '#/tail', 'Waiting for the next event'],
  ['Try', '#/try', 'stores nothing'],
  ['Actions', '#/actions?stream=order.1', 'Tombstone'],
  ['Token', '#/token', 'memory of this page'],
];

interface Violation {
  readonly id: string;
  readonly nodes: readonly { readonly target: readonly unknown[] }[];
}

/** What axe-core finds. It is given to the page by the debugger, so that the policy of the page stays in force. */
async function violations(page: Page): Promise<string[]> {
  await page.evaluate(readFileSync(join(__dirname, '../../node_modules/axe-core/axe.min.js'), 'utf8'));
  const found = await page.evaluate<Violation[]>('axe.run().then(({ violations }) => violations)');
  return found.flatMap(({ id, nodes }) => nodes.map(({ target }) => `${id}: ${target.join(' ')}`));
}

/** Whether the page is wider than the window. */
function isTooWide(page: Page): Promise<boolean> {
  return page.evaluate<boolean>('document.documentElement.scrollWidth > innerWidth');
}

inBrowser('each page', () => {
  test.each(pages)(
    '%s shows what it is for, in both schemes, with nothing that axe-core reports',
    async (_name, address, text) => {
      await using watched = await at(address);
      await watched.page.getByText(text).first().waitFor();
      await watched.page.locator('.same-as', { hasText: 'grpcurl -plaintext' }).first().waitFor();
      expect(await violations(watched.page)).toEqual([]);
      await watched.page.emulateMedia({ colorScheme: 'dark' });
      expect(await violations(watched.page)).toEqual([]);
      expect(watched.faults).toEqual([]);
    },
  );

  test.each(pages)('%s fits a phone', async (_name, address, text) => {
    await using watched = await at(address, { viewport: { width: 360, height: 740 } });
    await watched.page.getByText(text).first().waitFor();
    expect(await isTooWide(watched.page)).toBe(false);
    expect(watched.faults).toEqual([]);
  });
});

inBrowser('a stream', () => {
  test('is followed live: what is appended comes once and in order, also after a pause', async () => {
    await client.append('live.1', [{ type: 'Begun' }]);
    await using watched = await at('#/stream/live.1');
    const { page } = watched;
    await page.getByRole('button', { name: 'Follow live' }).click();
    await page.getByText('live', { exact: true }).waitFor();
    await client.append(
      'live.1',
      Array.from({ length: 30 }, (_, i) => ({ type: `Came${i.toString()}` })),
    );
    await page.getByText('30 new events').waitFor();
    await page.getByRole('button', { name: 'Pause' }).click();
    await page.getByText('paused').waitFor();
    await client.append('live.1', [{ type: 'Meanwhile' }]);
    await page.getByRole('button', { name: 'Follow live' }).click();
    await page.getByText('31 new events').waitFor();
    const versions = await page.getByLabel('New events').locator('td[data-label=Version]').allInnerTexts();
    expect(versions).toEqual(Array.from({ length: 31 }, (_, i) => (32 - i).toString()));
    expect(watched.faults).toEqual([]);
  });

  test('is shown as of a time, filtered, and from a version', async () => {
    await client.append('past.1', [{ type: 'First' }, { type: 'Second' }]);
    const { commitTime } = await client.getVersion('past.1');
    const time = new Date((commitTime?.getTime() ?? NaN) + 1);
    await until(() => Date.now() > time.getTime() + 1);
    await client.append('past.1', [{ type: 'Third' }]);
    await using watched = await at(`#/stream/past.1?types=First,Third`);
    const { page } = watched;
    await page.getByText('Third', { exact: true }).waitFor();
    expect(await page.locator('.type').allInnerTexts()).toEqual(['Third', 'First']);
    await page.getByLabel('Jump to version or time').fill('2');
    await page.getByLabel('Types').fill('');
    await page.getByRole('button', { name: 'Show' }).click();
    await page.getByText('Second', { exact: true }).waitFor();
    expect(await page.locator('.type').allInnerTexts()).toEqual(['Second', 'First']);
    await page.getByLabel('Jump to version or time').fill('');
    await page.getByLabel('As of').fill(time.toISOString());
    await page.getByRole('button', { name: 'Show' }).click();
    await page.getByText('the stream was at version 2').waitFor();
    expect(await page.locator('.type').allInnerTexts()).toEqual(['Second', 'First']);
    expect(watched.faults).toEqual([]);
  });

  test('shows a payload of 1 MiB folded, and bytes in hexadecimal', async () => {
    const rows = Array.from({ length: 9_000 }, (_, i) => ({ at: i, text: 'x'.repeat(80) }));
    const data = JSON.stringify({ rows });
    expect(data.length).toBeGreaterThan(900_000);
    await client.append('large.1', [{ type: 'Large', data }]);
    await client.append('large.1', [{ type: 'Bytes', data: Buffer.from([0, 1, 0xfe, 0xff, 65]) }]);
    await using watched = await at('#/stream/large.1');
    const { page } = watched;
    await page.getByRole('button', { name: 'Version 1 in full' }).click();
    await page.getByText('9,000 items').waitFor();
    await page.locator('.fold', { hasText: '9,000 items' }).click();
    await page.getByRole('button', { name: '8,950 more' }).waitFor();
    await page.getByRole('button', { name: 'Version 2 in full' }).click();
    await page.getByText('00000000  00 01 fe ff 41').waitFor();
    expect(await isTooWide(page)).toBe(false);
    expect(watched.faults).toEqual([]);
  });
});

const hostile = '<img src=x onerror=alert(1)><script>alert(2)</script>"\'\u202e${`}{{7*7}}';
/** The longest id of a member; it may have no character that means anything in HTML. */
const longest = 'W'.repeat(100);

/** A group with a parked event, whose reason is from others, too. Its member has the longest id, and goes when `stop` says so. */
async function parkHostile(stop: AbortSignal): Promise<{ readonly left: Promise<void> }> {
  await client.groups.create('hostile', { settings: { patterns: ['hostile.1'] } });
  const park = (): never => {
    throw new ParkEvent(`${hostile} ${'W'.repeat(120)}`);
  };
  let left = Promise.resolve();
  const caughtUp = new Promise<void>((onCaughtUp) => {
    left = client.consume('hostile', park, { member: longest, stop, onCaughtUp });
  });
  await Promise.race([caughtUp, left]);
  return { left };
}

inBrowser('text of others', () => {
  test('is only text, in every field, and breaks no layout', async () => {
    const long = 'W'.repeat(120);
    await client.append('hostile.1', [
      {
        id: '<svg/onload=alert(3)>',
        type: `${hostile}${long}`.slice(0, 180),
        data: JSON.stringify({ [hostile]: hostile, long: long.repeat(50) }),
        contentType: 'text/html;<script>alert(4)</script>',
        correlationId: '"><script>alert(5)</script>',
        causationId: 'javascript:alert(6)',
        tags: ['<b>tag</b>', long],
        metadata: { [hostile]: hostile, [long]: long },
      },
      { type: 'Html', data: `<!doctype html><body onload=alert(7)>${hostile}\u0000${'\u0301'.repeat(500)}` },
    ]);
    const stop = new AbortController();
    const { left } = await parkHostile(stop.signal);
    for (const address of [
      '#/streams?prefix=hostile.',
      '#/stream/hostile.1',
      '#/event/hostile.1/1',
      '#/event/hostile.1/2',
      `#/search?by=correlation&q=${encodeURIComponent('"><script>alert(5)</script>')}`,
      `#/stream/${encodeURIComponent(hostile)}`,
      `#/search?by=${encodeURIComponent(hostile)}&q=${encodeURIComponent(hostile)}`,
      '#/groups/hostile',
      `#/groups/${encodeURIComponent(hostile)}`,
      `#/tail?patterns=${encodeURIComponent(hostile)}`,
      `#/try?stream=${encodeURIComponent(hostile)}`,
      `#/actions?stream=${encodeURIComponent(hostile)}`,
    ]) {
      await using watched = await at(address, { viewport: { width: 360, height: 740 } });
      const { page } = watched;
      await page.locator('.same-as').first().waitFor();
      await page.locator('table, .problem, .nothing, .facts, form').first().waitFor();
      for (const unfold of await page.locator('.unfold').all()) await unfold.click();
      expect([address, await page.locator('main img, main script, main svg, main b:has(*)').count()]).toEqual(
        [address, 0],
      );
      expect([address, await isTooWide(page)]).toEqual([address, false]);
      expect([address, watched.faults]).toEqual([address, []]);
    }
    await using group = await at('#/groups/hostile');
    await group.page.getByText(longest).first().waitFor();
    stop.abort();
    await left;
  });

  test('shows what changes the direction of text as an escape', async () => {
    await using watched = await at('#/event/hostile.1/1');
    await watched.page.locator('h1', { hasText: '\\u202e' }).waitFor();
  });
});

inBrowser('Try', () => {
  test('shows a conflict with what came in between, and stores nothing', async () => {
    await client.append('try.1', [{ type: 'A' }, { type: 'B' }, { type: 'C' }]);
    await using watched = await at('#/try');
    const { page } = watched;
    await page.getByLabel('Stream').fill('try.1');
    await page.getByLabel('Version').fill('1');
    await page.getByRole('button', { name: 'Try', exact: true }).click();
    await page.getByText('It would be a conflict').waitFor();
    await page.getByText('See the 2 events').waitFor();
    await page.getByLabel('Version').fill('3');
    await page.getByRole('button', { name: 'Try', exact: true }).click();
    await page.getByText('It would be accepted').waitFor();
    await page.getByText('An event would be version 4').waitFor();
    const line = await page.locator('.command').first().innerText();
    expect(line).toContain('sluice append try.1 --type Try --dry-run --expected-version 3');
    expect((await client.getVersion('try.1')).version).toBe(3n);
    expect(watched.faults).toEqual([]);
  });
});

inBrowser('Search', () => {
  test('finds an event by its id and by that of its commit', async () => {
    const id = uuidV7();
    const event = { type: 'Found', id, correlationId: 'searched' };
    const { commitId } = await client.append('searched.1', [event, { type: 'Beside' }]);
    await using watched = await at(`#/search?by=commit&q=${commitId}`);
    const { page } = watched;
    await page.getByText('Beside').waitFor();
    expect(await page.locator('.command').first().innerText()).toContain(`sluice commit ${commitId}`);
    await page.goto(started().addressOf(`#/search?by=event&q=${id}`));
    await page.getByText('Found').first().waitFor();
    expect(await page.getByText('Beside').count()).toBe(0);
    await page.goto(started().addressOf(`#/search?by=commit&q=${randomUUID()}`));
    await page.getByText('No commit that you may read has this id').waitFor();
    await page.goto(started().addressOf('#/search?by=commit&q=x'));
    await page.getByText('is not a UUID').first().waitFor();
    expect(watched.faults.filter((fault) => !fault.includes('400'))).toEqual([]);
  });
});

inBrowser('a condition', () => {
  test('is refused by the first event that it selects, which is shown, and otherwise accepted', async () => {
    await client.append('course.1', [{ type: 'SeatTaken', tags: ['course:c1', 'student:s1'] }]);
    await using watched = await at('#/try');
    const { page } = watched;
    await page.getByLabel('No event with all of these tags').fill('course:c1 student:s1');
    await page.getByLabel('Stream').fill('course.2');
    await page.getByRole('button', { name: 'Try', exact: true }).click();
    await page.getByText('The condition would refuse it').waitFor();
    await page.getByRole('link', { name: 'course.1', exact: true }).waitFor();
    await page.getByLabel('No event with all of these tags').fill('course:c1 student:s2');
    await page.getByRole('button', { name: 'Try', exact: true }).click();
    await page.getByText('It would be accepted').waitFor();
    await page.goto(started().addressOf('#/search?by=tag&q=course%3Ac1'));
    await page.getByText('SeatTaken').waitFor();
    expect((await client.getVersion('course.1')).version).toBe(1n);
    expect((await client.getVersion('course.2')).version).toBe(0n);
    expect(watched.faults).toEqual([]);
  });
});

/** Serves the gateway below a path, as a proxy does. */
async function proxyBelow(prefix: string): Promise<AsyncDisposable & { readonly address: string }> {
  const target = new URL(started().addressOf(''));
  const server: Server = createServer((incoming, outgoing) => {
    const { method, headers, url = '' } = incoming;
    if (!url.startsWith(`${prefix}/`)) {
      outgoing.writeHead(404).end();
      return;
    }
    const { hostname, port } = target;
    const passed = request({ hostname, port, method, headers, path: url.slice(prefix.length) }, (answer) => {
      outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(outgoing);
    });
    incoming.pipe(passed);
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  return {
    address: `http://127.0.0.1:${(server.address() as AddressInfo).port.toString()}${prefix}`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await once(server.close(), 'close');
    },
  };
}

inBrowser('below a path of a proxy', () => {
  test('the console finds its files, its pages and the gateway', async () => {
    await using proxy = await proxyBelow('/tools/sluice');
    await using watched = await open(
      started().browser,
      `${proxy.address}/#/streams?prefix=order.&order=name`,
    );
    const { page } = watched;
    page.setDefaultTimeout(15_000 * patience);
    await page.getByRole('link', { name: 'order.1', exact: true }).click();
    await page.getByText('LabelPrinted').waitFor();
    expect(page.url()).toBe(`${proxy.address}/#/stream/order.1`);
    expect(watched.faults).toEqual([]);
  });
});

inBrowser('Tail', () => {
  test('loses nothing while it is paused', async () => {
    await using watched = await at('#/tail?patterns=tailed.*');
    const { page } = watched;
    await page.getByText('live', { exact: true }).waitFor();
    await client.append('tailed.1', [{ type: 'Before' }]);
    await page.getByText('1 event', { exact: true }).waitFor();
    await page.getByRole('button', { name: 'Pause' }).click();
    for (let i = 0; i < 20; i++) await client.append(`tailed.${i.toString()}`, [{ type: 'StoredLater' }]);
    await page.getByText('paused', { exact: true }).waitFor();
    expect(await page.getByText('StoredLater').count()).toBe(0);
    await page.getByRole('button', { name: 'Go on' }).click();
    await page.getByText('21 events', { exact: true }).waitFor();
    expect(watched.faults).toEqual([]);
  });
});

inBrowser('the list of streams', () => {
  test('shows the type of a last event as it comes, while others are still read', async () => {
    for (const name of ['held', 'quick']) await client.append(`types.${name}`, [{ type: `Type-${name}` }]);
    await using watched = await at('#/');
    const { page } = watched;
    const held: (() => void)[] = [];
    await page.route('**/ReadStream', async (route) => {
      const isHeld = route.request().postData()?.includes('types.held') === true;
      if (isHeld) await new Promise<void>((resolve) => held.push(resolve));
      await route.continue();
    });
    await page.goto(started().addressOf('#/streams?prefix=types.&order=name'));
    await page.getByText('Type-quick').waitFor();
    expect(await page.getByText('Type-held').count()).toBe(0);
    for (const release of held) release();
    await page.getByText('Type-held').waitFor();
    expect(held.length).toBeGreaterThan(0);
    expect(watched.faults).toEqual([]);
  });

  test('has the type of the last event of each', async () => {
    await using watched = await at('#/streams?prefix=payment.');
    await watched.page.getByText('PaymentTaken').nth(11).waitFor();
    expect(watched.faults).toEqual([]);
  });
});

inBrowser('Actions', () => {
  test('happen after the name of the stream is typed, and not before', async () => {
    await client.append('old.1', [{ type: 'A' }, { type: 'B' }]);
    await using watched = await at('#/actions?stream=old.1');
    const { page } = watched;
    await page.getByRole('button', { name: 'Tombstone' }).click();
    const confirm = page.getByRole('form', { name: 'Confirm: Tombstone' });
    await confirm.getByLabel('Type old.1 to confirm').fill('old.2');
    expect(await confirm.getByRole('button', { name: 'Tombstone' }).isDisabled()).toBe(true);
    await confirm.getByLabel('Type old.1 to confirm').fill('old.1');
    await confirm.getByRole('button', { name: 'Tombstone' }).click();
    await page.getByText('The stream is tombstoned').waitFor();
    expect((await client.streams.get('old.1')).state).toBe('tombstoned');
    expect(watched.faults).toEqual([]);
  });

  test('truncate, erase and delete, one after the other', async () => {
    for (const type of ['A', 'B', 'C']) await client.append('old.2', [{ type }]);
    await using watched = await at('#/actions?stream=old.2');
    const { page } = watched;
    const confirm = async (action: string): Promise<void> => {
      await page.getByRole('button', { name: action }).click();
      const form = page.getByRole('form', { name: `Confirm: ${action}` });
      await form.getByLabel('Type old.2 to confirm').fill('old.2');
      await form.getByRole('button', { name: action }).click();
    };
    await page.getByLabel('Hide events before version').fill('2');
    await confirm('Truncate');
    await page.getByText('Events before version 2 are hidden').waitFor();
    await page.getByLabel('From version').fill('3');
    await page.getByLabel('To version').fill('3');
    await page.getByLabel('Reason').fill('request 4711');
    await confirm('Erase');
    await page.getByText('Versions 3 to 3 are erased').waitFor();
    const { firstVersion, erased } = await client.streams.get('old.2');
    expect([firstVersion, erased.map(({ reason }) => reason)]).toEqual([2n, ['request 4711']]);
    await confirm('Delete');
    await page.getByText('The stream is deleted').waitFor();
    expect((await client.streams.get('old.2')).state).toBe('deleted');
    expect(watched.faults).toEqual([]);
  });

  test('a parked event is retried alone, and all of a group after its name is typed', async () => {
    await using watched = await at('#/groups/emails');
    const { page } = watched;
    await page.getByRole('button', { name: 'Retry order.1 version 3' }).click();
    await page.getByText('1 event will be delivered again').waitFor();
    await page.getByRole('button', { name: 'Replay all' }).click();
    await page.getByLabel('Type emails to confirm').fill('emails');
    await page.getByRole('form').getByRole('button', { name: 'Replay all' }).click();
    await page.getByText('12 events will be delivered again').waitFor();
    expect(watched.faults).toEqual([]);
  });
});

inBrowser('by keyboard', () => {
  test('a reader comes from the store to an event of a stream, and unfolds it', async () => {
    await using watched = await at('#/streams?prefix=order.&order=name');
    const { page } = watched;
    await page.getByRole('link', { name: 'order.1', exact: true }).waitFor();
    await page.keyboard.press('Tab');
    expect(await page.evaluate('document.activeElement.textContent')).toBe('Skip to the page');
    await page.keyboard.press('Enter');
    expect(await page.evaluate('document.activeElement.tagName')).toBe('H1');
    await tabTo(page, 'order.1');
    await page.keyboard.press('Enter');
    await page.getByText('LabelPrinted').waitFor();
    await tabTo(page, 'Version 1 in full');
    await page.keyboard.press('Enter');
    await page.getByText('"tea"').waitFor();
    expect(watched.faults).toEqual([]);
  });
});

/** Presses Tab until the focus is on what has this name, at most 100 times. */
async function tabTo(page: Page, name: string): Promise<void> {
  for (let i = 0; i < 100; i++) {
    await page.keyboard.press('Tab');
    const focused = await page.evaluate<string>(
      'document.activeElement.getAttribute("aria-label") ?? document.activeElement.textContent',
    );
    if (focused === name) return;
  }
  throw new Error(`no Tab leads to ${name}`);
}
