/** A page of metrics, read as Prometheus reads it. */
export interface MetricsPage {
  /** The type of each metric by its name. */
  readonly types: ReadonlyMap<string, string>;
  /** The names of the labels of each metric that has a value, sorted, without `le`. */
  readonly labels: ReadonlyMap<string, readonly string[]>;
  /** The sum of all samples of this name with these labels; undefined: there is no sample. */
  value(name: string, labels?: Readonly<Record<string, string>>): number | undefined;
}

interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** Fetches it. `http`: http://host:port. */
export async function metricsOf(http: string | undefined): Promise<MetricsPage> {
  const response = await fetch(`${http ?? ''}/metrics`);
  if (response.status !== 200)
    throw new Error(`status ${response.status.toString()}: ${await response.text()}`);
  return parsePage(await response.text());
}

/** Throws if a line is not one of the text format. */
export function parsePage(text: string): MetricsPage {
  const lines = text.split('\n').filter((line) => line !== '');
  const types = new Map<string, string>();
  const samples: Sample[] = [];
  for (const line of lines) {
    const [, kind, name = '', rest = ''] = /^# (HELP|TYPE) (\w+) (.+)$/.exec(line) ?? [];
    if (kind === 'TYPE') types.set(name, rest);
    else if (kind === undefined) samples.push(sampleOf(line));
  }
  return {
    types,
    labels: labelsOf(samples, types),
    value(name, wanted = {}) {
      const found = samples.filter(
        (sample) =>
          sample.name === name &&
          Object.entries(wanted).every(([label, value]) => sample.labels[label] === value),
      );
      return found.length === 0 ? undefined : found.reduce((sum, { value }) => sum + value, 0);
    },
  };
}

function sampleOf(line: string): Sample {
  const [, name = '', labels = '', value = ''] = /^(\w+)(?:\{(.*)\})? (\S+)$/.exec(line) ?? [];
  if (name === '') throw new Error(`no sample: ${line}`);
  const pairs = [...labels.matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)].map(([, label = '', text = '']) => [
    label,
    text,
  ]);
  return { name, labels: Object.fromEntries(pairs) as Record<string, string>, value: Number(value) };
}

function labelsOf(
  samples: readonly Sample[],
  types: ReadonlyMap<string, string>,
): Map<string, readonly string[]> {
  const found = new Map<string, readonly string[]>();
  for (const { name, labels } of samples) {
    const metric = types.has(name) ? name : name.replace(/_(bucket|sum|count)$/, '');
    const names = Object.keys(labels).filter((label) => label !== 'le');
    found.set(metric, names.sort());
  }
  return found;
}
