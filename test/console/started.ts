import type { Browser, BrowserContextOptions } from 'playwright-core';
import { startTestGateway, type LocalGateway } from '../support/gateway';
import { startNats, type TestNats } from '../support/nats-server';
import { patience } from '../support/patience';
import { buildConsole, findChromium, launch, open, type Watched } from './browser';

const path = findChromium();

/** Where there is no Chromium, its tests are skipped. */
export const inBrowser = path === undefined ? describe.skip : describe;

/** What all tests of a file share. */
export interface Started {
  readonly gateway: LocalGateway;
  readonly nats: TestNats;
  readonly browser: Browser;
  /** The address of a page, for instance of `#/streams`. */
  addressOf(page: string): string;
  /** Opens a page. */
  at(page: string, options?: BrowserContextOptions): Promise<Watched>;
}

/** For all tests of a file: one browser, and one gateway with a store that `fill` fills. Resolves before the first test. */
export function startOnce(
  flags: readonly string[],
  fill: (gateway: LocalGateway) => Promise<void>,
): () => Started {
  let started: Started | undefined;
  beforeAll(async () => {
    if (path === undefined) return;
    buildConsole();
    const nats = await startNats();
    const gateway = await startTestGateway([nats.url], ['--http-listen=127.0.0.1:0', ...flags]);
    await fill(gateway);
    const browser = await launch(path);
    const addressOf = (page: string): string => `${gateway.http ?? ''}/${page}`;
    const at: Started['at'] = async (page, options) => {
      const watched = await open(browser, addressOf(page), options);
      watched.page.setDefaultTimeout(15_000 * patience);
      return watched;
    };
    started = { gateway, nats, browser, addressOf, at };
  }, 180_000 * patience);
  afterAll(async () => {
    await started?.browser.close();
    await started?.gateway[Symbol.asyncDispose]();
    await started?.nats[Symbol.asyncDispose]();
  });
  return () => {
    if (started === undefined) throw new Error('asked for before the first test');
    return started;
  };
}
