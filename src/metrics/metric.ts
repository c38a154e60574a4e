import type { MetricValue, MetricValueWithName } from 'prom-client';
import type { Histogram } from '../collections/histogram';

/** How the values of several processes become one. */
export type Aggregator = 'sum' | 'max' | 'min' | 'first';

type Labels = Readonly<Record<string, string | number>>;
export type Sample = MetricValue<string> | MetricValueWithName<string>;

/** A metric with its values at one moment, in the form that prom-client (15.1) also sends between processes. */
export interface Snapshot {
  readonly name: string;
  readonly help: string;
  readonly type: string;
  readonly aggregator: string;
  readonly values: readonly Sample[];
}

/** What a registry of prom-client asks for its values. */
export interface Metric {
  readonly name: string;
  /** Of prom-client 15, whose declaration says a number, and whose registry takes and writes a word. */
  readonly type: 'counter' | 'gauge' | 'histogram';
  get(): Promise<Snapshot>;
}

/** The values of a metric: one without labels, none if it is undefined, or several with labels. */
type Values = number | undefined | readonly Sample[];

export function counter(name: string, help: string, read: () => Values): Metric {
  return metric({ name, help, type: 'counter', aggregator: 'sum' }, () => samplesOf(read()));
}

export function gauge(
  name: string,
  help: string,
  aggregator: Aggregator,
  read: () => Values | Promise<Values>,
): Metric {
  return metric({ name, help, type: 'gauge', aggregator }, async () => samplesOf(await read()));
}

export function histogram(name: string, help: string, read: () => readonly LabelledHistogram[]): Metric {
  const samples = (): Sample[] => read().flatMap((each) => bucketsOf(name, each));
  return metric({ name, help, type: 'histogram', aggregator: 'sum' }, samples);
}

export interface LabelledHistogram {
  readonly histogram: Histogram;
  readonly labels?: Labels;
}

/** A sample for each name of a record. */
export function byName(label: string, values: Readonly<Record<string, number>>): Sample[] {
  return Object.entries(values).map(([name, value]) => ({ labels: { [label]: name }, value }));
}

/** 1 or 0. */
export function flag(isTrue: boolean): number {
  return isTrue ? 1 : 0;
}

interface About {
  readonly name: string;
  readonly help: string;
  readonly type: Metric['type'];
  readonly aggregator: Aggregator;
}

function metric(about: About, read: () => readonly Sample[] | Promise<readonly Sample[]>): Metric {
  const { name, type } = about;
  return { name, type, get: async () => ({ ...about, values: await read() }) };
}

function samplesOf(values: Values): readonly Sample[] {
  if (values === undefined) return [];
  return typeof values === 'number' ? [{ labels: {}, value: values }] : values;
}

/** The buckets of Prometheus: each counts everything up to its bound. */
function bucketsOf(
  name: string,
  { histogram: { bounds, counts, sum }, labels = {} }: LabelledHistogram,
): Sample[] {
  const samples: Sample[] = [];
  let count = 0;
  for (const [index, le] of [...bounds, '+Inf'].entries()) {
    count += counts[index] ?? 0;
    samples.push({ metricName: `${name}_bucket`, labels: { ...labels, le }, value: count });
  }
  samples.push({ metricName: `${name}_sum`, labels: { ...labels }, value: sum });
  samples.push({ metricName: `${name}_count`, labels: { ...labels }, value: count });
  return samples;
}
