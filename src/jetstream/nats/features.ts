import type { StreamConfig } from './api';

/**
 * What a store has that earlier versions of Sluice do not know. The features are named in the metadata of the stream, where every
 * later version looks. Versions before the first feature do not look there: for each feature they must find a setting that they refuse.
 */
const featuresKey = 'sluice-features';

/** By feature, settings that it changes. They have no effect on the stream. */
const featureSettings = {
  /** No store has as many messages. Gateways that do not know controls need -1, so that they refuse the store. */
  controls: { max_msgs: Number.MAX_SAFE_INTEGER },
  /** Erased events, or messages that were removed. */
  removals: {},
} as const satisfies Record<string, Readonly<Record<string, unknown>>>;

export type Feature = keyof typeof featureSettings;

function isKnown(name: string): name is Feature {
  return Object.hasOwn(featureSettings, name);
}

function namesIn({ metadata }: StreamConfig): string[] {
  const names = (metadata as Readonly<Record<string, unknown>> | undefined)?.[featuresKey];
  return typeof names === 'string' ? names.split(',').filter((name) => name !== '') : [];
}

export function hasFeature(config: StreamConfig, feature: Feature): boolean {
  return namesIn(config).includes(feature);
}

/** The features of a stream that this version of Sluice does not know. */
export function unknownFeatures(config: StreamConfig): string[] {
  return namesIn(config).filter((name) => !isKnown(name));
}

/** The configuration that a stream must have with the features that it has. */
export function withFeaturesOf(found: StreamConfig, wanted: StreamConfig): StreamConfig {
  const settings = namesIn(found)
    .filter(isKnown)
    .map((name) => featureSettings[name]);
  return Object.assign({}, wanted, ...settings) as StreamConfig;
}

/** The configuration of a stream once it has one more feature. */
export function addFeature(config: StreamConfig, feature: Feature): StreamConfig {
  const metadata = config['metadata'] as Readonly<Record<string, unknown>> | undefined;
  const names = [...new Set([...namesIn(config), feature])].join(',');
  return { ...config, ...featureSettings[feature], metadata: { ...metadata, [featuresKey]: names } };
}
