import { execFileSync, spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { chromium, type Browser, type BrowserContextOptions, type Page } from 'playwright-core';
import { packageFolder } from '../../src/version';

/** Flags for a browser that calls no host but the gateway, and runs as root too. */
const flags = [
  '--no-sandbox',
  '--no-zygote',
  '--disable-gpu',
  '--disable-quic',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--disable-dev-shm-usage',
  '--font-render-hinting=none',
];

/** The path of Chromium; undefined if no Chromium is for this platform: then outside CI the tests are skipped. */
export function findChromium(): string | undefined {
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [join(packageFolder, 'scripts', 'chromium.mjs')],
    {
      encoding: 'utf8',
    },
  );
  if (status === 0) return stdout.trim();
  if (status !== 2 || process.env['CI'] === 'true') throw new Error(`no Chromium: ${stderr}`);
  console.warn(`SKIPPED: the console is not tested in a browser: ${stderr}`);
  return undefined;
}

/** Bundles the console of the present sources, which gateways of this checkout serve. */
export function buildConsole(): void {
  execFileSync(process.execPath, [join(packageFolder, 'scripts', 'build-console.mjs')]);
}

export function launch(executablePath: string): Promise<Browser> {
  return chromium.launch({ executablePath, args: flags, headless: true });
}

/** What a page did that it must not do. */
export interface Watched extends AsyncDisposable {
  readonly page: Page;
  /** Errors of scripts, of the console and of the Content-Security-Policy, and requests to other hosts. */
  readonly faults: readonly string[];
}

/** Opens a page at an address of the console, for instance `#/streams`. */
export async function open(
  browser: Browser,
  address: string,
  options: BrowserContextOptions = {},
): Promise<Watched> {
  const context = await browser.newContext({
    viewport: { width: 1280, height: 800 },
    locale: 'en-US',
    ...options,
  });
  const page = await context.newPage();
  const faults: string[] = [];
  page.on('pageerror', (error) => faults.push(error.message));
  page.on('dialog', (dialog) => {
    faults.push(`a dialog: ${dialog.message()}`);
    void dialog.dismiss();
  });
  page.on('console', (message) => {
    const isStatus = message.text().startsWith('Failed to load resource: the server responded with a status');
    if (message.type() === 'error' && !isStatus) faults.push(message.text());
  });
  const { host } = new URL(address);
  page.on('request', (request) => {
    if (new URL(request.url()).host !== host) faults.push(`a request to ${request.url()}`);
  });
  await page.goto(address);
  return { page, faults, [Symbol.asyncDispose]: () => context.close() };
}
