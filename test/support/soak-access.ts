import { renameSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { digestOfToken, makeToken } from '../../src/auth/token';
import { audience, issuerName, makeKey, OidcIssuer, seconds, type SigningKey } from './oidc-issuer';
import { makeReplicaDir } from './replica-dir';

/** The streams that the load of a soak writes. */
export const loadStreams: readonly string[] = ['soak.>', 'bulk.>', 'is-anybody-there'];
/** Those that a caller may see who may not see the load. */
export const ownStreams = 'spied.>';
export const slowAppendsPerSecond = 5;

/** With `info` and the streams of the load, 17. */
const otherGrants = 15;
const turnMs = 3_000;
/** Turns of which each has a new API token; it stays in the file for one more of them, and for the same time before that. */
const tokenTurns = 4;
/** Turns until the issuer signs with another key, longer than a gateway waits before it requests the keys again. */
const keyTurns = 15;
const jwtLifeSeconds = 20;
const jwtTurns = 3;
/** The roles of the callers who log in with the issuer. */
const jwtRoles = { beta: 'writer', spy: 'spy' } as const;

/** A gateway that looks at its files on demand. */
export interface Reloaded {
  reload(): void;
}

/**
 * Access control of a soak: an auth file for each gateway, and an issuer of JWTs. Every few seconds the files are rewritten, API
 * tokens are replaced, JWTs expire, and now and then the issuer signs with another key.
 */
export class SoakAccess implements AsyncDisposable {
  /** Rewritten files so far. */
  turns = 0;
  private readonly stop = new AbortController();
  private running: Promise<void> = Promise.resolve();
  private readonly paths: readonly string[];
  private readonly apiTokens = [makeToken()];
  private readonly fixed = new Map(['ops', 'slow'].map((name) => [name, makeToken()]));
  private readonly keys: SigningKey[];
  /** By the name of their caller. */
  private readonly jwts = new Map<keyof typeof jwtRoles, string>();

  private constructor(
    gateways: number,
    private readonly issuer: OidcIssuer,
    key: SigningKey,
  ) {
    this.keys = [key];
    this.paths = Array.from({ length: gateways }, () => join(makeReplicaDir(), 'auth.json'));
    this.write();
  }

  static async start(gateways: number): Promise<SoakAccess> {
    const key = await makeKey();
    const access = new SoakAccess(gateways, await OidcIssuer.start(key), key);
    await access.renewJwts();
    return access;
  }

  /** Flags of a gateway. */
  flags(gateway: number): string[] {
    return [`--auth-file=${this.paths[gateway] ?? ''}`];
  }

  auditFile(gateway: number): string {
    return join(dirname(this.paths[gateway] ?? ''), 'audit.jsonl');
  }

  /** Changes files and credentials until the end. */
  keepChanging(gateways: readonly Reloaded[]): void {
    this.running = this.change(gateways);
  }

  /** Of a writer whose API token is replaced. */
  readonly alpha = (): string => this.apiTokens.at(-1) as string;
  /** Of a writer who logs in with the issuer. */
  readonly beta = (): string => this.jwts.get('beta') as string;
  /** Of a caller who may see nothing of the load. */
  readonly spy = (): string => this.jwts.get('spy') as string;
  /** May do everything but append. */
  readonly ops = (): string => this.fixed.get('ops') as string;
  /** May append a few times a second. */
  readonly slow = (): string => this.fixed.get('slow') as string;

  /** Credentials that must not be accepted, by what is wrong with them. */
  async wrongTokens(): Promise<ReadonlyMap<string, string | undefined>> {
    const [oldest] = this.keys as [SigningKey];
    const forged = await makeKey('ES256', oldest.kid);
    return new Map([
      ['none', undefined],
      ['unknown', makeToken()],
      ['forged', await forged.sign({ roles: ['writer'] })],
      ['expired', await oldest.sign({ roles: ['writer'], exp: seconds() - 60 })],
      ['of another audience', await oldest.sign({ roles: ['writer'], aud: 'other' })],
    ]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.stop.abort();
    await this.running;
    await this.issuer[Symbol.asyncDispose]();
  }

  private async change(gateways: readonly Reloaded[]): Promise<void> {
    const { signal } = this.stop;
    while (!signal.aborted) {
      await sleep(turnMs, undefined, { signal }).catch(() => undefined);
      this.turns++;
      // One turn before it is used, so that every gateway knows it.
      if (this.turns % tokenTurns === tokenTurns - 1) this.upcoming = makeToken();
      if (this.turns % tokenTurns === 0) this.useUpcoming();
      if (this.turns % keyTurns === 0) await this.useAnotherKey();
      if (this.turns % jwtTurns === 0) await this.renewJwts();
      this.write();
      for (const gateway of gateways) gateway.reload();
    }
  }

  private upcoming: string | undefined;

  private useUpcoming(): void {
    if (this.upcoming !== undefined) this.apiTokens.push(this.upcoming);
    this.upcoming = undefined;
    if (this.apiTokens.length > 2) this.apiTokens.shift();
  }

  /** A key is published for a while before it signs, and for a while after. */
  private async useAnotherKey(): Promise<void> {
    this.keys.push(await makeKey());
    if (this.keys.length > 3) this.keys.shift();
    this.issuer.publish(...this.keys);
  }

  private async renewJwts(): Promise<void> {
    const [key] = this.keys.slice(-2) as [SigningKey];
    const iat = seconds();
    for (const sub of ['beta', 'spy'] as const)
      this.jwts.set(sub, await key.sign({ sub, roles: [jwtRoles[sub]], iat, exp: iat + jwtLifeSeconds }));
  }

  /** As a whole, with a rename: a file that is written in place may be read half, which changes nothing. */
  private write(): void {
    for (const path of this.paths) {
      writeFileSync(`${path}.next`, JSON.stringify(this.content()));
      renameSync(`${path}.next`, path);
    }
  }

  private content(): object {
    const all = ['append', 'read', 'subscribe'];
    const others = Array.from({ length: otherGrants }, (_, number) => ({
      actions: all,
      streams: [`other${number}.turn${this.turns}.>`],
    }));
    const tokens = [...this.apiTokens, ...(this.upcoming === undefined ? [] : [this.upcoming])];
    const entry = (id: string, principal: string, token: string, roles: readonly string[]): object => ({
      id,
      principal,
      roles,
      sha256: digestOfToken(token),
    });
    return {
      roles: {
        writer: { grants: [...others, { actions: all, streams: loadStreams }, { actions: ['info'] }] },
        spy: { grants: [{ actions: all, streams: [ownStreams] }] },
        slow: {
          grants: [{ actions: ['append'], streams: ['slow.>'] }],
          limits: { appends_per_s: slowAppendsPerSecond },
        },
        ops: { grants: [{ actions: ['read', 'subscribe'], streams: ['>'] }, { actions: ['admin'] }] },
      },
      tokens: [
        ...tokens.map((token) => entry(digestOfToken(token).slice(0, 8), 'alpha', token, ['writer'])),
        ...[...this.fixed].map(([name, token]) => entry(name, name, token, [name])),
      ],
      issuers: [
        {
          name: 'corp',
          issuer: issuerName,
          audience,
          algorithms: ['ES256'],
          keys: { url: this.issuer.url },
          roles_claim: 'roles',
        },
      ],
      defaults: { limits: { appends_per_s: 1_000_000, bytes_per_s: 1_000_000_000, sessions: 100 } },
      audit: { file: 'audit.jsonl', events: 'writes', when_full: 'refuse' },
    };
  }
}
