import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { connect, jsonEvent } from '../../src/client/client';
import { startTestGateway } from '../support/gateway';
import { startNats } from '../support/nats-server';
import { removeTools, prepareTools } from '../support/tools';
import { findChromium, launch, open } from './browser';
import { seed } from './seeded';

/**
 * Pictures of every page of the console, light, dark and on a phone, into the folder `screenshots`; `--readme` makes only the picture
 * of README.md, from the orders of examples/order-data: `npm run screenshots`.
 */
const root = join(__dirname, '..', '..');
const folder = join(root, 'screenshots');
const readmePicture = join(root, 'docs', 'images', 'console.png');
const orders = 300;

const looks: Readonly<Record<string, BrowserContextOptions>> = {
  light: { colorScheme: 'light' },
  dark: { colorScheme: 'dark' },
  phone: { colorScheme: 'light', viewport: { width: 390, height: 844 }, deviceScaleFactor: 2 },
};

interface Shot {
  readonly name: string;
  readonly address: string;
  /** What to do before the picture. */
  readonly act?: (page: Page) => Promise<void>;
}

const shots: readonly Shot[] = [
  { name: '1-store', address: '#/', act: (page) => page.waitForTimeout(6_000) },
  { name: '2-streams', address: '#/streams' },
  { name: '3-stream', address: '#/stream/order.1', act: (page) => page.locator('.unfold').nth(1).click() },
  { name: '4-event', address: '#/event/order.1/3' },
  { name: '5-search', address: '#/search?by=correlation&q=checkout-1' },
  { name: '6-groups', address: '#/groups' },
  { name: '6-group', address: '#/groups/emails' },
  { name: '7-tail', address: '#/tail', act: (page) => page.waitForTimeout(1_500) },
  {
    name: '8-try',
    address: '#/try?stream=order.1&expected=1',
    act: (page) => page.getByRole('button', { name: 'Try', exact: true }).click(),
  },
  { name: '9-actions', address: '#/actions?stream=order.1' },
  { name: '10-token', address: '#/token' },
];

async function main(): Promise<void> {
  const path = findChromium();
  if (path === undefined) return;
  await prepareTools();
  await using nats = await startNats();
  await using gateway = await startTestGateway([nats.url], ['--http-listen=127.0.0.1:0']);
  const browser = await launch(path);
  try {
    await importOrders(gateway.address);
    await forReadme(browser, gateway.http ?? '');
    if (!process.argv.includes('--readme')) {
      await seed(gateway.address);
      const shown = new AbortController();
      const appended = keepAppending(gateway.address, shown.signal);
      await all(browser, gateway.http ?? '');
      shown.abort();
      await appended;
    }
  } finally {
    await browser.close();
    removeTools();
  }
}

const run = promisify(execFile);

/** So that something moves on the pages that show it. */
async function keepAppending(address: string, signal: AbortSignal): Promise<void> {
  using client = connect(address);
  for (let i = 0; !signal.aborted; i++) {
    const reading = { celsius: 20 + (i % 50) / 10, device: `d-${(i % 7).toString()}` };
    await client.append(`sensor.${(i % 7).toString()}`, [jsonEvent('Measured', reading)]);
    await sleep(30 + 25 * Math.sin(i / 40));
  }
}

async function importOrders(address: string): Promise<void> {
  const made = mkdtempSync(join(tmpdir(), 'sluice-orders-'));
  try {
    const file = join(made, 'orders.ndjson');
    const runTs = join(root, 'scripts', 'run-ts.cjs');
    const generate = [
      'generate',
      '--orders',
      orders.toString(),
      '--output',
      file,
      '--report',
      join(made, 'report'),
    ];
    await run(process.execPath, [runTs, join(root, 'examples', 'order-data', 'main.ts'), ...generate]);
    await run(join(root, 'bin', 'sluice'), ['import', file, '--address', address]);
  } finally {
    rmSync(made, { recursive: true, force: true });
  }
}

async function all(browser: Browser, http: string): Promise<void> {
  mkdirSync(folder, { recursive: true });
  for (const [look, options] of Object.entries(looks)) {
    for (const { name, address, act } of shots) {
      await using watched = await open(browser, `${http}/${address}`, options);
      await settled(watched.page);
      await act?.(watched.page);
      await settled(watched.page);
      await watched.page.screenshot({
        path: join(folder, `${name}-${look}.png`),
        fullPage: look === 'phone',
      });
      for (const fault of watched.faults) console.error(`${name} ${look}: ${fault}`);
    }
  }
}

/** Nothing is loading any more, and fonts are there. */
async function settled(page: Page): Promise<void> {
  await page.locator('.same-as').first().waitFor();
  await page.getByText('Loading', { exact: true }).waitFor({ state: 'hidden' });
  await page.evaluate('document.fonts.ready');
  await page.waitForTimeout(400);
}

async function forReadme(browser: Browser, http: string): Promise<void> {
  mkdirSync(join(root, 'docs', 'images'), { recursive: true });
  const options = {
    viewport: { width: 1180, height: 720 },
    deviceScaleFactor: 1.5,
    colorScheme: 'light',
  } as const;
  await using streams = await open(browser, `${http}/#/streams?prefix=order.&order=name`, options);
  await settled(streams.page);
  await streams.page.locator('table a').first().click();
  await settled(streams.page);
  await streams.page.locator('.unfold').first().click();
  await streams.page.screenshot({ path: readmePicture });
}

void main();
