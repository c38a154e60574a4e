import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { startSluice } from '../cli/process';
import { connect } from '../../src/client/client';
import { startNats, until } from '../support/nats-server';

const root = join(__dirname, '..', '..');
const page = readFileSync(join(root, 'docs', 'operations', 'traces.md'), 'utf8');
const folder = mkdtempSync(join(tmpdir(), 'sluice-otel-'));
afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

/** A collector that takes traces over HTTP, as JSON. */
async function startCollector(): Promise<{ url: string; names: () => string[] } & Disposable> {
  const names: string[] = [];
  const server = createServer((request, response) => {
    void text(request).then((body) => {
      for (const [, name = ''] of body.matchAll(/"name":"([^"]+)","kind"/g)) names.push(name);
      response.setHeader('content-type', 'application/json').end('{}');
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    names: () => names,
    [Symbol.dispose]() {
      server.closeAllConnections();
      server.close();
    },
  };
}

test('the file on the page sends the spans of a gateway, those before a stop too', async () => {
  const file = join(folder, 'otel.mjs');
  writeFileSync(file, /```js\n([^`]+)```/.exec(page)?.[1] ?? '');
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));
  await using nats = await startNats();
  using collector = await startCollector();
  await using sluice = await startSluice(
    ['--listen=127.0.0.1:0', `--nats-url=${nats.url}`, '--create-store'],
    {
      NODE_OPTIONS: `--import=${file}`,
      OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
    },
  );
  using client = connect(await sluice.serving());
  await client.append('a.1', [{ type: 'A' }]);
  sluice.signal('SIGTERM');
  expect(await sluice.ended()).toBe(0);
  await until(() => collector.names().length >= 2);
  expect(collector.names()).toEqual(
    expect.arrayContaining(['publish', 'sluice.v1.EventStoreService/Append']) as unknown,
  );
});

test('the packages on the page are those that the tests use', () => {
  const { dependencies, devDependencies } = JSON.parse(
    readFileSync(join(root, 'package.json'), 'utf8'),
  ) as Record<'dependencies' | 'devDependencies', Record<string, string>>;
  const known = { ...dependencies, ...devDependencies };
  const named = [...page.matchAll(/(@opentelemetry\/[a-z-]+)@([\d.]+)/g)].map(([, name = '', version]) => [
    name,
    version,
  ]);
  expect(named.length).toBeGreaterThan(2);
  expect(Object.fromEntries(named)).toEqual(
    Object.fromEntries(named.map(([name = '']) => [name, known[name]])),
  );
});
