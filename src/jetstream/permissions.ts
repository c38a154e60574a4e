import { indexPrefix } from './open-stream';
import type { StoreOptions } from './options';

/** The subjects that a NATS user may publish and subscribe to. */
export interface Permissions {
  readonly publish: readonly string[];
  readonly subscribe: readonly string[];
}

/** All that a gateway needs of NATS, as docs/operations.md lists it for the operator of a NATS server; a test compares. */
export function gatewayPermissions({ name, prefix }: Pick<StoreOptions, 'name' | 'prefix'>): Permissions {
  const index = `${name}_INDEX`;
  const api = (verb: string, ...streams: readonly string[]): string[] =>
    streams.map((stream) => `$JS.API.${verb}.${stream}`);
  return {
    publish: [
      `${prefix}.>`,
      `${indexPrefix}.${prefix}.>`,
      ...api('DIRECT.GET', name, index),
      ...api('STREAM.INFO', name, index),
      ...api('STREAM.PURGE', index),
      ...api('CONSUMER.CREATE', `${name}.*`),
      ...api('CONSUMER.DELETE', `${name}.*`),
      `$JS.FC.${name}.>`,
      ...api('STREAM.CREATE', index, name),
      ...api('STREAM.MSG.GET', name, index),
    ],
    subscribe: ['_INBOX.>'],
  };
}
