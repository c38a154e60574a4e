import { nkeys } from 'nats';

/** Keys and tokens of NATS' decentralised login, made as its `nsc` makes them. */

interface KeyPair {
  getPublicKey(): string;
  getSeed(): Uint8Array;
  sign(bytes: Uint8Array): Uint8Array;
}

/** The package declares no types for them. */
const keys = nkeys as {
  createAccount(): KeyPair;
  createOperator(): KeyPair;
  createUser(): KeyPair;
};

export interface Permissions {
  readonly publish: readonly string[];
  readonly subscribe: readonly string[];
}

export interface JwtLogins {
  /** For the configuration of the server: it trusts one operator, with one account that may use JetStream. */
  readonly serverConfig: string;
  /** The content of a credentials file of a user of that account. */
  credentials(permissions: Permissions): string;
}

const noLimits = { subs: -1, data: -1, payload: -1 };
const accountLimits = { ...noLimits, imports: -1, exports: -1, wildcards: true, conn: -1, leaf: -1 };
const jetStreamLimits = { mem_storage: -1, disk_storage: -1, streams: -1, consumer: -1 };

export function makeJwtLogins(): JwtLogins {
  const operator = keys.createOperator();
  const system = keys.createAccount();
  const account = keys.createAccount();
  const tokens = {
    operator: token(operator, operator, { type: 'operator', system_account: system.getPublicKey() }),
    system: token(operator, system, { type: 'account', limits: accountLimits }),
    account: token(operator, account, { type: 'account', limits: { ...accountLimits, ...jetStreamLimits } }),
  };
  return {
    serverConfig: [
      `operator: ${tokens.operator}`,
      `system_account: ${system.getPublicKey()}`,
      'resolver: MEMORY',
      'resolver_preload: {',
      `  ${system.getPublicKey()}: ${tokens.system}`,
      `  ${account.getPublicKey()}: ${tokens.account}`,
      '}',
    ].join('\n'),
    credentials({ publish, subscribe }) {
      const user = keys.createUser();
      const rights = { pub: { allow: publish }, sub: { allow: subscribe } };
      const jwt = token(account, user, { type: 'user', ...noLimits, ...rights });
      return [
        '-----BEGIN NATS USER JWT-----',
        jwt,
        '------END NATS USER JWT------',
        '-----BEGIN USER NKEY SEED-----',
        Buffer.from(user.getSeed()).toString(),
        '------END USER NKEY SEED------',
        '',
      ].join('\n');
    },
  };
}

function token(issuer: KeyPair, subject: KeyPair, claims: Readonly<Record<string, unknown>>): string {
  const key = subject.getPublicKey();
  const body = {
    jti: key,
    iat: Math.floor(Date.now() / 1_000),
    iss: issuer.getPublicKey(),
    name: key,
    sub: key,
    nats: { version: 2, ...claims },
  };
  const signed = [{ typ: 'JWT', alg: 'ed25519-nkey' }, body]
    .map((part) => Buffer.from(JSON.stringify(part)).toString('base64url'))
    .join('.');
  return `${signed}.${Buffer.from(issuer.sign(Buffer.from(signed))).toString('base64url')}`;
}
