import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { deployTool, runTool } from '../support/deploy-tools';
import { documentedNames, metricsIn, readAlerts, rulesFile, type Alert } from '../support/monitoring';
import { alertCases, type Series } from './alert-cases';

/** The alerts of deploy/prometheus, checked by promtool. test/deploy/prometheus.test.ts evaluates them on a real gateway. */
let alerts: readonly Alert[] | undefined;

beforeAll(async () => {
  const prometheus = await deployTool('prometheus');
  if (prometheus !== undefined) alerts = await readAlerts(prometheus.path);
}, 180_000);

test('promtool accepts them', async () => {
  const promtool = await deployTool('promtool');
  if (promtool === undefined) return;
  const { code, stdout, stderr } = await runTool(promtool, ['check', 'rules', rulesFile]);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  expect(stdout).toMatch(new RegExp(`SUCCESS: ${Object.keys(alertCases).length} rules found`));
});

test('each says how bad it is, what it is about, and where to read what to do', () => {
  if (alerts === undefined) return;
  for (const { name, labels, annotations } of alerts) {
    expect(labels).toEqual({ severity: expect.stringMatching(/^(critical|warning)$/) as string });
    expect(annotations).toEqual({
      summary: expect.stringMatching(/^[A-Z][^.{]+$/) as string,
      description: expect.stringMatching(/^.+\.$/) as string,
      runbook: `docs/operations/runbook.md#${name.toLowerCase()}`,
    });
  }
});

test('every metric in them is documented', () => {
  if (alerts === undefined) return;
  const documented = documentedNames();
  const unknown = alerts.flatMap(({ query }) => metricsIn(query)).filter((name) => !documented.has(name));
  expect(unknown).toEqual([]);
});

test('each fires when it must, and only then', async () => {
  const promtool = await deployTool('promtool');
  if (promtool === undefined || alerts === undefined) return;
  expect(Object.keys(alertCases).sort()).toEqual(alerts.map(({ name }) => name).sort());
  const folder = mkdtempSync(join(tmpdir(), 'sluice-rules-'));
  try {
    const file = join(folder, 'rules.test.yml');
    writeFileSync(file, JSON.stringify(promtoolTests(alerts)));
    const { code, stdout, stderr } = await runTool(promtool, ['test', 'rules', file]);
    expect({ code, output: stdout + stderr }).toEqual({
      code: 0,
      output: expect.stringMatching(/SUCCESS\s*$/) as string,
    });
  } finally {
    rmSync(folder, { recursive: true });
  }
}, 180_000);

/** Two tests for each alert, in the format of `promtool test rules`, which is JSON as well. */
function promtoolTests(all: readonly Alert[]): object {
  const tests = all.flatMap(({ name, labels: { severity = '' } }) => {
    const { bad, good, at, labels } = alertCases[name] as (typeof alertCases)[string];
    const fired = { ...labels, alertname: name, alertstate: 'firing', severity };
    const pairs = Object.entries(fired).map(([key, value]) => `${key}="${value}"`);
    const one = (input: readonly Series[], samples: readonly object[]): object => ({
      interval: '1m',
      input_series: input.map(([series, values]) => ({ series, values })),
      promql_expr_test: [
        {
          expr: `ALERTS{alertname="${name}",alertstate="firing"}`,
          eval_time: `${at}m`,
          exp_samples: samples,
        },
      ],
    });
    return [one(bad, [{ labels: `ALERTS{${pairs.join(',')}}`, value: 1 }]), one(good, [])];
  });
  return { rule_files: [rulesFile], evaluation_interval: '1m', tests };
}
