import type { StreamConfig } from './api';

/**
 * A stream is restored in quarantine: with this mark in its metadata, and with a subject on which nobody publishes. nats-server lets
 * everybody use a stream while it is being restored, and if the restore is interrupted, the part that has arrived stays. Gateways do
 * not serve a stream with the mark.
 */
const markKey = 'sluice-restore';

/** The configuration of a stream while it is being restored; `mark` identifies the restore. */
export function quarantined(config: StreamConfig, mark: string): StreamConfig {
  const metadata = { ...(config['metadata'] as Readonly<Record<string, unknown>>), [markKey]: mark };
  return { ...config, metadata, subjects: [`sluice-restore.${config.name}`] };
}

/** The mark of the restore that has not finished; undefined: the stream is whole. */
export function unfinishedRestore({ metadata }: StreamConfig): string | undefined {
  const mark = (metadata as Readonly<Record<string, unknown>> | undefined)?.[markKey];
  return typeof mark === 'string' ? mark : undefined;
}
