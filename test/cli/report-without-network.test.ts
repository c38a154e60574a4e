import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startNats } from '../support/nats-server';
import { startSluice } from './process';

/** Loaded before main.js: prints of each report whether it has the network, and the setting after it. */
const watchReports = `
const { report } = process;
const { getReport } = report;
report.getReport = (...args) => {
  const found = getReport.apply(report, args);
  console.log('a report', 'networkInterfaces' in found.header ? 'with' : 'without', 'the network');
  setImmediate(() => console.log('excludeNetwork is', report.excludeNetwork));
  return found;
};`;

test('the start asks no name server: the report that it reads the limit of descriptors from is without the network', async () => {
  await using nats = await startNats();
  const folder = mkdtempSync(join(tmpdir(), 'sluice-report-'));
  const hook = join(folder, 'watch-reports.cjs');
  writeFileSync(hook, watchReports);
  const flags = ['--listen=127.0.0.1:0', `--nats-url=${nats.url}`, '--create-store'];
  try {
    await using sluice = await startSluice(flags, { NODE_OPTIONS: `--require ${hook}` });
    await sluice.serving();
    expect(sluice.stdout().match(/a report \w+ the network|excludeNetwork is \w+/g)).toEqual([
      'a report without the network',
      'excludeNetwork is false',
    ]);
  } finally {
    rmSync(folder, { recursive: true });
  }
}, 60_000);
