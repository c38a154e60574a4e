import type { StoreOptions } from '../jetstream/nats/options';

/** The subjects that a NATS user may publish and subscribe to. */
export interface Permissions {
  readonly publish: readonly string[];
  readonly subscribe: readonly string[];
}

/** All that a gateway needs of NATS, as docs/operations/security.md lists it for the operator of a NATS server; a test compares. */
export function gatewayPermissions({ name, prefix }: Pick<StoreOptions, 'name' | 'prefix'>): Permissions {
  const api = (verb: string, rest = ''): string => `$JS.API.${verb}.${name}${rest}`;
  return {
    publish: [
      `${prefix}.>`,
      api('STREAM.INFO'),
      api('STREAM.CREATE'),
      api('STREAM.MSG.GET'),
      api('CONSUMER.CREATE', '.*'),
      api('CONSUMER.MSG.NEXT', '.*'),
      api('CONSUMER.DELETE', '.*'),
    ],
    subscribe: ['_INBOX.>'],
  };
}
