import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from '../docs/markdown';
import { rulesFile } from '../support/monitoring';
import { deployTool, runTool, type Tool } from '../support/deploy-tools';
import { loadConfig } from '../../src/config/config';
import { flagOf, keys, settings, variableOf } from '../../src/config/settings';
import manifest from '../../package.json';

/** The chart in deploy/helm, as helm reads it. No cluster is involved. */
const chart = join(root, 'deploy', 'helm', 'sluice');
const folder = join(__dirname, 'helm');
const kubernetes = '1.37.0';

let helm: Tool | undefined;

beforeAll(async () => {
  helm = await deployTool('helm');
}, 600_000);

/** `helm template`, which gives the resources, or fails with a message. */
async function template(
  ...args: readonly string[]
): Promise<{ code: number; stdout: string; stderr: string }> {
  const all = ['template', 'demo', chart, '--namespace', 'events', '--kube-version', kubernetes, ...args];
  return runTool(helm as Tool, all);
}

const everything = ['--values', join(folder, 'everything.values.yaml')];

test('helm lint accepts it', async () => {
  if (helm === undefined) return;
  const args = ['lint', '--strict', '--kube-version', kubernetes, chart];
  for (const values of [[], everything]) {
    const { code, stdout } = await runTool(helm, [...args, ...values]);
    expect({ code, stdout }).toEqual({
      code: 0,
      stdout: expect.not.stringMatching(/ERROR|WARNING/) as string,
    });
  }
});

test.each([
  { name: 'default', args: [] },
  { name: 'everything', args: everything },
])('with $name values it makes the kept resources, which Kubernetes would accept', async ({ name, args }) => {
  const validate = await deployTool('kubernetesValidate');
  if (helm === undefined) return;
  const { code, stdout, stderr } = await template(...args);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  // If a change is intended: helm template demo deploy/helm/sluice --namespace events --kube-version ... > the file.
  const file = join(folder, `${name}.kept.yaml`);
  expect(stdout).toBe(readFileSync(file, 'utf8'));
  if (validate === undefined) return;
  for (const version of ['1.25', '1.37']) {
    const check = ['-m', 'kubernetes_validate', '--strict', '--no-warn', '--kubernetes-version', version];
    const checked = await runTool(validate, [...check, file]);
    expect({ code: checked.code, output: checked.stdout + checked.stderr }).toEqual({
      code: 0,
      output: expect.stringMatching(/passed for resource statefulset\/demo-sluice/) as string,
    });
  }
});

test('the schemas find an error', async () => {
  const validate = await deployTool('kubernetesValidate');
  if (validate === undefined) return;
  const wrong = join(folder, 'wrong.yaml');
  const { code, stdout, stderr } = await runTool(validate, [
    ...['-m', 'kubernetes_validate', '--strict', '--kubernetes-version', '1.37', wrong],
  ]);
  expect({ code, output: stdout + stderr }).toEqual({
    code: 1,
    output: expect.stringContaining('maxUnavailabel') as string,
  });
});

test.each([
  ['nats.url=http://nats', '/nats/url'],
  ['nats.url=nats://user:secret@nats:4222', '/nats/url'],
  ['replicas=0', '/replicas'],
  ['store.replicas=2', '/store/replicas'],
  ['store.name=a.b', '/store/name'],
  ['tls.secretName=', '/tls/secretName'],
  ['auth.secretName=', '/auth/secretName'],
  ['nats.creds=true', '/nats/secretName'],
  ['settings.READS_MAX=3', 'READS_MAX'],
  ['replica.size=much', '/replica/size'],
  ['replicaCount=3', 'replicaCount'],
])('%s is refused', async (setting, named) => {
  if (helm === undefined) return;
  const { code, stderr } = await template('--set', setting);
  expect(code).toBe(1);
  expect(stderr).toContain(named);
});

test('the alerts are those of deploy/prometheus', async () => {
  if (helm === undefined) return;
  const { code, stdout } = await template('--set-file', `prometheusRule.rules=${rulesFile}`);
  expect(code).toBe(0);
  const rules = readFileSync(rulesFile, 'utf8');
  const indented = rules.trimEnd().replace(/^(?=.)/gm, '  ');
  expect(stdout).toContain(`kind: PrometheusRule\n`);
  expect(stdout).toContain(`spec:\n${indented}\n`);
});

test('without TLS and authentication only if insecure is set', async () => {
  if (helm === undefined) return;
  const { code, stdout } = await template('--set', 'insecure=true,tls.secretName=,auth.secretName=');
  expect(code).toBe(0);
  expect(environment(stdout)).toMatchObject({ SLUICE_INSECURE: 'true' });
  expect(environment(stdout)).not.toHaveProperty('SLUICE_TLS_CERT');
});

/** The variables of the gateway in the resources. */
function environment(resources: string): Record<string, string> {
  const variables = resources.matchAll(/^ +- name: (SLUICE_\w+)\n +value: "(.*)"$/gm);
  return Object.fromEntries(Array.from(variables, ([, name = '', value = '']) => [name, value]));
}

test.each(['default', 'everything'])('a gateway takes the %s variables', (name) => {
  const variables = environment(readFileSync(join(folder, `${name}.kept.yaml`), 'utf8'));
  expect(Object.keys(variables).length).toBeGreaterThan(10);
  const known = new Map(keys.map((key) => [variableOf(key), key]));
  const flags = Object.entries(variables).map(([variable, value]) => {
    const key = known.get(variable);
    if (key === undefined) throw new Error(`there is no setting ${variable}`);
    // The files of the pod are not here.
    const isFile = value.startsWith('/etc/sluice/');
    return `${flagOf(key)}=${isFile ? join(root, 'package.json') : value}`;
  });
  expect(() => loadConfig(flags, {})).not.toThrow();
  expect(Object.keys(settings)).toContain('httpListen');
});

test('the versions are those of the package', () => {
  const text = readFileSync(join(chart, 'Chart.yaml'), 'utf8');
  expect(/^appVersion: (.+)$/m.exec(text)?.[1]).toBe(manifest.version);
});
