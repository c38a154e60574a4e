import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { spawnTied } from '../../src/nats-server/tied-process';
import { freePorts } from './free-ports';
import { until } from './nats-server';

/** A real Prometheus on loopback. It ends with this process at the latest. */
export interface TestPrometheus extends AsyncDisposable {
  /** `data` of a path of its API, for instance `/api/v1/rules`. Fails with the message of the API. */
  api(path: string): Promise<unknown>;
  /** The number of results of an expression, evaluated now. */
  query(expression: string): Promise<number>;
  /** The alerts that cannot be evaluated, with the errors; undefined until each has been evaluated once. */
  brokenAlerts(): Promise<string[] | undefined>;
}

interface Rule {
  readonly name: string;
  readonly health: string;
  readonly lastError?: string;
}

/** Starts it with a configuration: the text of its file, in which paths are absolute, or the same as an object. */
export async function startPrometheus(path: string, config: string | object): Promise<TestPrometheus> {
  const [port = 0] = await freePorts(1);
  const folder = mkdtempSync(join(tmpdir(), 'sluice-prometheus-'));
  // JSON is YAML.
  const text = typeof config === 'string' ? config : JSON.stringify(config);
  writeFileSync(join(folder, 'prometheus.yml'), text);
  const url = `http://127.0.0.1:${port}`;
  const args = [
    `--config.file=${join(folder, 'prometheus.yml')}`,
    `--storage.tsdb.path=${join(folder, 'data')}`,
    `--web.listen-address=127.0.0.1:${port}`,
    '--log.level=warn',
  ];
  const server = spawnTied(path, args);
  const get = (suffix: string): Promise<Response> =>
    fetch(`${url}${suffix}`, { signal: AbortSignal.timeout(10_000) });
  const api = async (suffix: string): Promise<unknown> => {
    const response = await get(suffix);
    const answer = (await response.json()) as { status: string; data: unknown; error?: string };
    if (answer.status !== 'success') throw new Error(`${suffix}: ${answer.error ?? response.statusText}`);
    return answer.data;
  };
  const prometheus: TestPrometheus = {
    api,
    async query(expression) {
      const { result } = (await api(`/api/v1/query?query=${encodeURIComponent(expression)}`)) as {
        result: unknown[];
      };
      return result.length;
    },
    async brokenAlerts() {
      const { groups } = (await api('/api/v1/rules')) as { groups: { rules: Rule[] }[] };
      const rules = groups.flatMap((group) => group.rules);
      if (rules.length === 0 || rules.some(({ health }) => health === 'unknown')) return undefined;
      return rules.flatMap(({ name, health, lastError = '' }) =>
        health === 'ok' ? [] : [`${name}: ${lastError}`],
      );
    },
    async [Symbol.asyncDispose]() {
      await server.stop(10_000);
      rmSync(folder, { recursive: true, force: true });
    },
  };
  try {
    await until(async () => {
      if (server.end !== undefined) throw new Error(`Prometheus ended: ${server.stderrTail()}`);
      return get('/-/ready').then(
        ({ ok }) => ok,
        () => false,
      );
    }, 30_000);
    return prometheus;
  } catch (error) {
    await prometheus[Symbol.asyncDispose]();
    throw error;
  }
}
