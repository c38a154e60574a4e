import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { startCommandGateway } from '../cli/gateway-commands';
import { root } from '../docs/markdown';
import { buildOnce } from '../support/build';
import { compileExamples, type CompiledExamples } from '../support/examples';
import { sendEmails } from '../support/order-emails';

/** The example as users run it, in TypeScript; `npm run conformance` runs it in other languages. */

let examples: CompiledExamples;
beforeAll(async () => {
  examples = await compileExamples(root, dirname(dirname(await buildOnce())));
}, 120_000);
afterAll(() => {
  examples[Symbol.dispose]();
});

test('two members that are killed again and again send each e-mail once', async () => {
  await using gateway = await startCommandGateway();
  const main = join(examples.folder, 'dist-examples', 'order-emails', 'main.js');
  const member = { command: [process.execPath, main], cwd: examples.folder };
  expect(await sendEmails(gateway.client, gateway.address, [member, member], 60)).toEqual([
    undefined,
    undefined,
  ]);
}, 180_000);

test('a file that is there is not replaced, and no draft stays', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-outbox-'));
  try {
    const path = join(examples.folder, 'dist-examples', 'order-emails', 'outbox.js');
    const { sendOnce } = (await import(path)) as typeof import('../../examples/order-emails/outbox');
    expect([sendOnce(folder, 'a-1', 'one'), sendOnce(folder, 'a-1', 'two')]).toEqual([true, false]);
    expect(readdirSync(folder)).toEqual(['a-1.eml']);
    expect(() => sendOnce(join(folder, 'missing'), 'a-1', 'one')).toThrow('ENOENT');
  } finally {
    rmSync(folder, { recursive: true });
  }
});
