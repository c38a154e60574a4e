import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startTestGateway } from '../support/gateway';
import { startNats } from '../support/nats-server';
import { grpcurlPath } from '../support/tools';
import { document } from './markdown';
import { checkPage, programFolder } from './run-example';

const folder = mkdtempSync(join(tmpdir(), 'sluice-grpcurl-'));
afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

/**
 * Answers that are there at the same time share a message of a session: it makes no difference whether they were. A checkpoint of a
 * subscription may come at any time.
 */
function joinAnswers(text: string): string {
  const without = text.replace(/\{\s*"position": "\d+",\s*"checkpoint": \{\}\s*\}/g, '');
  return without.replace(/\s*\]\s*\}\s*\{\s*"answers": \[/g, ',');
}

const grpcurl = grpcurlPath();
const withGrpcurl = grpcurl === undefined ? test.skip : test;

withGrpcurl('every command of docs/grpcurl.md prints what is shown', async () => {
  await using nats = await startNats();
  await using gateway = await startTestGateway([nats.url]);
  const programs = programFolder(folder, { grpcurl: grpcurl ?? '' });
  const options = { address: gateway.address, programs, cwd: folder, even: joinAnswers };
  expect(await checkPage(document('docs/grpcurl.md'), options)).toBeGreaterThan(20);
});
