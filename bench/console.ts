import { setTimeout as sleep } from 'node:timers/promises';
import type { Browser, Page } from 'playwright-core';
import { connect, type SluiceClient } from '../src/client/client';
import { buildConsole, findChromium, launch, open } from '../test/console/browser';
import { freePorts } from '../test/support/free-ports';
import { prefill, type PlannedCommit } from './prefill';
import type { Run } from './run';
import { durability, startBenchGateway, startBenchNats } from './servers';
import { median } from './statistics';
import { renderRows } from './table';

const title = 'the console';
const streamEvents = 100_000;
const followedPerSecond = 1_000;
const followedSeconds = 10;
/** Streams that the followed events go to. */
const followedStreams = 64;
const timeoutMs = 60_000;

/** What one round has measured. */
interface Round {
  /** From the request for the page to the first row of events, in a browser that has no file of it yet. */
  readonly firstMs: number;
  /** The same when the browser has the files. */
  readonly againMs: number;
  /** The page of a store, to the position of its newest commit, in a browser that has no file of it yet. */
  readonly newStoreMs: number;
  /** The same when the browser has the files. */
  readonly storeMs: number;
  readonly heapBytes: number;
  readonly followedHeapBytes: number;
  /** Of the tasks that kept the page from answering while it followed, the longest. */
  readonly longestTaskMs: number;
}

/**
 * What the console costs the browser, as a part of RESULTS.md: how soon the page of a long stream is there, and whether a page that follows
 * many events keeps up, in headless Chromium on this machine. `facts`: how it was measured.
 */
export async function consoleInBrowser(run: Run, facts: string): Promise<string | undefined> {
  const { settings, peaks, progress, signal } = run;
  if (!settings.only.test(title)) return undefined;
  const path = findChromium();
  if (path === undefined) return undefined;
  progress(`${title}: starting servers and filling the store`);
  buildConsole();
  const events = Math.max(1_000, Math.round(streamEvents * settings.sizes.callsShare));
  await using nats = await startBenchNats('interval');
  const creating = await startBenchGateway({ name: `${title}: creating`, nats, peaks });
  await creating[Symbol.asyncDispose]();
  await prefill(nats.url, plan(events));
  const [port] = await freePorts(1);
  const http = `127.0.0.1:${String(port)}`;
  await using gateway = await startBenchGateway({ name: title, nats, peaks, http });
  await gateway.caughtUp();
  using client = connect(gateway.address);
  const browser = await launch(path);
  const rounds: Round[] = [];
  try {
    for (let round = 0; round <= settings.rounds; round++) {
      signal.throwIfAborted();
      progress(`${title}: round ${round} of ${settings.rounds}`);
      const measured = await measure(browser, `http://${http}`, client);
      if (round > 0) rounds.push(measured);
    }
  } finally {
    await browser.close();
  }
  return [`# What ${title} costs a browser`, facts, render(rounds, events)].join('\n\n');
}

function* plan(events: number): Generator<PlannedCommit> {
  for (let commit = 0; commit < events; commit++) yield { stream: 'long.1', events: 1 };
}

async function measure(browser: Browser, http: string, client: SluiceClient): Promise<Round> {
  const rows = 'table.events tbody tr';
  const newStoreMs = await inNewBrowser(browser, `${http}/#/`, '.numbers .big');
  await using watched = await open(browser, 'about:blank');
  const { page } = watched;
  page.setDefaultTimeout(timeoutMs);
  await page.addInitScript(watch);
  const firstMs = await timeTo(page, `${http}/#/stream/long.1`, rows);
  const heapBytes = await heapOf(page);
  await page.goto('about:blank');
  const againMs = await timeTo(page, `${http}/#/stream/long.1`, rows);
  await page.goto('about:blank');
  const storeMs = await timeTo(page, `${http}/#/`, '.numbers .big');
  await page.goto('about:blank');
  await page.goto(`${http}/#/tail?patterns=followed.*`);
  await page.getByText('live', { exact: true }).waitFor();
  await page.evaluate('longTasks.length = 0');
  const count = followedPerSecond * followedSeconds;
  await appendAtRate(client, count);
  await page.getByText(`${count.toLocaleString('en-US')} events`).waitFor();
  const longestTaskMs = await page.evaluate<number>('Math.max(0, ...longTasks)');
  const followedHeapBytes = await heapOf(page);
  return { firstMs, againMs, newStoreMs, storeMs, heapBytes, followedHeapBytes, longestTaskMs };
}

async function inNewBrowser(browser: Browser, address: string, selector: string): Promise<number> {
  await using watched = await open(browser, 'about:blank');
  return await timeTo(watched.page, address, selector);
}

/** Keeps how long the tasks of a page take that last more than 50 ms. */
const watch = `
  globalThis.longTasks = [];
  new PerformanceObserver((list) => {
    for (const { duration } of list.getEntries()) longTasks.push(duration);
  }).observe({ type: 'longtask', buffered: true });
`;

/** Milliseconds from the request for a page until it has what a selector finds. */
async function timeTo(page: Page, address: string, selector: string): Promise<number> {
  await page.goto(address, { waitUntil: 'commit' });
  return page.evaluate<number>(`new Promise((resolve) => {
    const look = () => {
      if (document.querySelector(${JSON.stringify(selector)}) === null) requestAnimationFrame(look);
      else resolve(performance.now());
    };
    look();
  })`);
}

/** The heap of JavaScript after a collection. */
async function heapOf(page: Page): Promise<number> {
  const session = await page.context().newCDPSession(page);
  await session.send('HeapProfiler.collectGarbage');
  const { usedSize } = await session.send('Runtime.getHeapUsage');
  await session.detach();
  return usedSize;
}

async function appendAtRate(client: SluiceClient, count: number): Promise<void> {
  await using session = client.appendSession();
  const results: Promise<unknown>[] = [];
  const startedMs = performance.now();
  for (let sent = 0; sent < count;) {
    const due = Math.min(count, Math.ceil(((performance.now() - startedMs) * followedPerSecond) / 1_000));
    for (; sent < due; sent++) {
      const event = { type: 'Followed', data: JSON.stringify({ number: sent, text: 'x'.repeat(100) }) };
      results.push(session.append(`followed.${sent % followedStreams}`, [event]));
    }
    await sleep(5);
  }
  await Promise.all(results);
}

function render(rounds: readonly Round[], events: number): string {
  const of = (figure: keyof Round): string[] => {
    const values = rounds.map((round) => round[figure]);
    const shown = (value: number): string =>
      figure.endsWith('Bytes') ? `${(value / 1e6).toFixed(1)} MB` : `${value.toFixed(0)} ms`;
    return [median(values), Math.min(...values), Math.max(...values)].map(shown);
  };
  const about =
    `Durability: ${durability.interval}. Headless Chromium on the machine of the gateway. A stream of ${events} events; then ` +
    `${followedPerSecond} events/s for ${followedSeconds} s, followed on the page Tail, where the run ends with an error unless ` +
    'all of them have come. Heap: what JavaScript uses after a collection.';
  return [
    about,
    renderRows([
      ['what', 'median', 'lowest', 'highest'],
      ['Stream: to the first row, nothing in the cache', ...of('firstMs')],
      ['Stream: to the first row, files in the cache', ...of('againMs')],
      ['Store: to its figures, nothing in the cache', ...of('newStoreMs')],
      ['Store: to its figures, files in the cache', ...of('storeMs')],
      ['Stream: heap', ...of('heapBytes')],
      ['Tail: the longest task', ...of('longestTaskMs')],
      ['Tail: heap after all events', ...of('followedHeapBytes')],
    ]),
  ].join('\n\n');
}
