import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connectCodeOf } from '../../src/connect/codes';
import { startTestGateway } from '../support/gateway';
import { startNats } from '../support/nats-server';
import { inlineCode, document, section, tableRows } from './markdown';
import { checkPage, programFolder } from './run-example';

const page = document('docs/http.md');
const folder = mkdtempSync(join(tmpdir(), 'sluice-http-'));
afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

/** A checkpoint of a subscription may come at any time. */
function withoutCheckpoints(text: string): string {
  return text.replace(/\{"position":"\d+","checkpoint":\{\}\}\n/g, '');
}

test('every command of docs/http.md prints what is shown', async () => {
  await using nats = await startNats();
  await using gateway = await startTestGateway([nats.url], ['--http-listen=127.0.0.1:0']);
  const programs = programFolder(folder, {});
  const address = (gateway.http ?? '').replace('http://', '');
  // Where other pages have the gateway.
  const here = page.replaceAll('127.0.0.1:8080', '127.0.0.1:50051');
  expect(await checkPage(here, { address, programs, cwd: folder, even: withoutCheckpoints })).toBe(7);
});

test('docs/http.md has the HTTP status of every code', () => {
  const listed = tableRows(section(page, '## An error')).flatMap(([codes = '', status = '']) =>
    inlineCode(codes).map((code) => `${code} ${status}`),
  );
  const codes = Array.from({ length: 16 }, (_, index) => connectCodeOf(index + 1));
  expect(listed.sort()).toEqual(codes.map(({ name, http }) => `${name} ${http}`).sort());
});
