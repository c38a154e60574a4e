/** The subjects that a NATS user may publish and subscribe to. */
export interface Permissions {
  readonly publish: readonly string[];
  readonly subscribe: readonly string[];
}

/** What NATS knows a store by. */
export interface StoreNames {
  /** Of the JetStream stream that is the log. */
  readonly name: string;
  /** First token of its subjects. */
  readonly prefix: string;
}

/** Everything that a gateway needs of NATS, as docs/operations/security.md lists it for the operator of a NATS server; a test compares. */
export function gatewayPermissions({ name, prefix }: StoreNames): Permissions {
  const state = `${name}_STATE`;
  return {
    publish: [
      `${prefix}.>`,
      ...followed(name),
      `$JS.API.STREAM.UPDATE.${name}`,
      `$JS.API.STREAM.PURGE.${name}`,
      `$JS.API.STREAM.MSG.DELETE.${name}`,
      `${state}.>`,
      ...followed(state),
    ],
    subscribe: ['_INBOX.>'],
  };
}

/** To create a stream, to read single messages, and to follow it. */
function followed(stream: string): string[] {
  return [
    `$JS.API.STREAM.INFO.${stream}`,
    `$JS.API.STREAM.CREATE.${stream}`,
    `$JS.API.STREAM.MSG.GET.${stream}`,
    `$JS.API.CONSUMER.CREATE.${stream}.*`,
    `$JS.API.CONSUMER.MSG.NEXT.${stream}.*`,
    `$JS.API.CONSUMER.DELETE.${stream}.*`,
  ];
}

/** Everything that the commands backup, restore and verify need of NATS, as docs/operations/security.md lists it; a test compares. */
export function operatorPermissions({ name }: StoreNames): Permissions {
  const api = (verb: string, rest = ''): string => `$JS.API.${verb}.${name}${rest}`;
  return {
    publish: [
      api('STREAM.INFO'),
      api('STREAM.MSG.GET'),
      api('CONSUMER.CREATE', '.*'),
      api('CONSUMER.MSG.NEXT', '.*'),
      api('CONSUMER.DELETE', '.*'),
      api('STREAM.SNAPSHOT'),
      `$JS.SNAPSHOT.ACK.${name}.>`,
      api('STREAM.RESTORE'),
      `$JS.SNAPSHOT.RESTORE.${name}.*`,
      api('STREAM.UPDATE'),
      api('STREAM.DELETE'),
    ],
    subscribe: ['_INBOX.>'],
  };
}
