import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { request, type IncomingMessage } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { brotliCompressSync, brotliDecompressSync, gunzipSync, gzipSync } from 'node:zlib';
import pino from 'pino';
import { HttpCounts } from '../../src/http/http-counts';
import { startHttpServer, type HttpServer } from '../../src/http/http-server';
import { staticFiles } from '../../src/http/static-files';
import { defaultLimits } from '../../src/limits';

let folder: string;
let server: HttpServer;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-static-'));
  mkdirSync(join(folder, 'assets'));
  writeFileSync(join(folder, 'index.html'), '<!doctype html>');
  const script = 'let a = 1;'.repeat(100);
  writeFileSync(join(folder, 'assets', 'main-1.js'), script);
  writeFileSync(join(folder, 'assets', 'main-1.js.br'), brotliCompressSync(script));
  writeFileSync(join(folder, 'assets', 'main-1.js.gz'), gzipSync(script));
  const options = {
    routes: {},
    counts: new HttpCounts(),
    limits: defaultLimits,
    log: pino({ level: 'silent' }),
  };
  const handlers = [staticFiles(folder, 'console'), staticFiles(join(folder, 'missing'), 'other')];
  server = await startHttpServer({ ...options, address: '127.0.0.1:0', handlers });
});
afterAll(async () => {
  await server.close();
  rmSync(folder, { recursive: true });
});

interface Got {
  readonly status: number | undefined;
  readonly headers: IncomingMessage['headers'];
  readonly body: Buffer;
}

/** As it is sent, without decoding. */
function get(path: string, headers: Record<string, string> = {}, method = 'GET'): Promise<Got> {
  return new Promise((resolve, reject) => {
    const sent = request(`http://${server.address}`, { path, headers, method }, (response) => {
      const parts: Buffer[] = [];
      response.on('data', (part: Buffer) => parts.push(part));
      response.on('end', () => {
        resolve({ status: response.statusCode, headers: response.headers, body: Buffer.concat(parts) });
      });
    });
    sent.on('error', reject);
    sent.end();
  });
}

test('the page is at the root, runs nothing but its own files, and is asked for again each time', async () => {
  const { status, headers, body } = await get('/');
  expect([status, body.toString(), headers['content-type'], headers['cache-control']]).toEqual([
    200,
    '<!doctype html>',
    'text/html; charset=utf-8',
    'no-store',
  ]);
  expect(headers['content-security-policy']).toContain("default-src 'none'; script-src 'self'");
  expect(headers['content-security-policy']).not.toContain('unsafe');
});

test('other files are kept by browsers, and are compressed for those that ask', async () => {
  const plain = await get('/assets/main-1.js');
  expect(plain.headers['cache-control']).toBe('public, max-age=31536000, immutable');
  expect(plain.headers['content-encoding']).toBeUndefined();
  const br = await get('/assets/main-1.js', { 'accept-encoding': 'gzip, deflate, br' });
  expect([br.headers['content-encoding'], brotliDecompressSync(br.body)]).toEqual(['br', plain.body]);
  const gzip = await get('/assets/main-1.js', { 'accept-encoding': 'gzip' });
  expect([gzip.headers['content-encoding'], gunzipSync(gzip.body)]).toEqual(['gzip', plain.body]);
  const page = await get('/', { 'accept-encoding': 'br, gzip' });
  expect([page.headers['content-encoding'], page.body.toString()]).toEqual([undefined, '<!doctype html>']);
});

test.each([
  '/assets/../../etc/passwd',
  '/assets/%2e%2e/index.html',
  '/index.html',
  '/assets/main-1.js.br',
  '/assets/',
  '/assets',
  '/x',
])('there is no %s', async (path) => {
  expect((await get(path)).status).toBe(404);
});

test('only GET and HEAD', async () => {
  const { status, headers } = await get('/', {}, 'POST');
  expect([status, headers.allow]).toEqual([405, 'GET, HEAD']);
  const head = await get('/', {}, 'HEAD');
  expect([head.status, head.headers['content-length'], head.body.length]).toEqual([200, '15', 0]);
});
