import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { credentials } from '@grpc/grpc-js';
import type { Json } from '../../conformance/json-files';
import { makeAuthority, type Authority, type Certificate } from '../support/certificates';
import { freePorts } from '../support/free-ports';
import { startNats, until, type TestNats } from '../support/nats-server';
import { makeReplicaDir } from '../support/replica-dir';
import { startSluice, type SluiceProcess } from '../cli/process';
import { connectRpc } from '../support/rpc-client';
import { HealthCheckResponse_ServingStatus } from '../../generated/grpc/health/v1/health';
import type { CaseFile } from './case-file';

/** A gateway in its own process, with its faults as verbs. */
export interface Gateway {
  /** host:port; always the same. */
  readonly address: string;
  /** Its connections stay, and it answers nothing. */
  freeze(): Promise<void>;
  thaw(): Promise<void>;
  /** Kills it, and starts it again. */
  restart(): Promise<void>;
}

type Settings = Pick<CaseFile, 'auth' | 'tokens'>;
interface Tls extends Certificate {
  readonly ca: string;
  readonly name: string;
}

/** Gateways of one store on one NATS server. */
export class Gateways implements AsyncDisposable {
  private readonly started = new Map<string, Promise<GatewayProcess>>();
  private authority: Promise<Authority> | undefined;

  private constructor(private readonly nats: TestNats) {}

  static async start(): Promise<Gateways> {
    return new Gateways(await startNats());
  }

  /** The gateway with this name, which is started when it is first asked for. */
  get(name: string, settings: Settings): Promise<Gateway> {
    return this.getOrStart(name, () => GatewayProcess.start(this.nats.url, settings));
  }

  /** One that serves over TLS, with a certificate for this name alone. */
  getWithTls(tlsName: string): Promise<Gateway> {
    return this.getOrStart(`TLS ${tlsName}`, async () => {
      const authority = await this.getAuthority();
      const certificate = await authority.issue(
        tlsName,
        `${tlsName === 'localhost' ? 'DNS' : 'IP'}:${tlsName}`,
      );
      const tls = { ...certificate, ca: authority.ca, name: tlsName };
      return GatewayProcess.start(this.nats.url, { tokens: {} }, tls);
    });
  }

  /** The certificate of the authority of all gateways with TLS, PEM. */
  async ca(): Promise<string> {
    return readFileSync((await this.getAuthority()).ca, 'utf8');
  }

  private getAuthority(): Promise<Authority> {
    return (this.authority ??= makeAuthority());
  }

  private getOrStart(name: string, start: () => Promise<GatewayProcess>): Promise<Gateway> {
    const known = this.started.get(name) ?? start();
    this.started.set(name, known);
    return known;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const end = async (started: Promise<GatewayProcess>): Promise<void> => (await started).end();
    await Promise.allSettled([...this.started.values()].map(end));
    await this.nats[Symbol.asyncDispose]();
    (await this.authority)?.[Symbol.dispose]();
  }
}

class GatewayProcess implements Gateway {
  private constructor(
    readonly address: string,
    private readonly flags: readonly string[],
    private readonly tls: Tls | undefined,
    private process: SluiceProcess,
  ) {}

  static async start(natsUrl: string, settings: Settings, tls?: Tls): Promise<GatewayProcess> {
    const [port] = await freePorts(1);
    const address = `127.0.0.1:${String(port)}`;
    const folder = makeReplicaDir();
    const store = [`--nats-url=${natsUrl}`, '--create-store', `--replica-dir=${folder}`];
    const tlsFlags = tls === undefined ? [] : [`--tls-cert=${tls.cert}`, `--tls-key=${tls.key}`];
    const own = [...tlsFlags, ...authFlags(settings, folder)];
    const flags = [`--listen=${address}`, '--log-level=error', ...store, ...own];
    const gateway = new GatewayProcess(address, flags, tls, await startSluice(flags));
    await gateway.serves();
    return gateway;
  }

  freeze(): Promise<void> {
    this.process.signal('SIGSTOP');
    return Promise.resolve();
  }

  thaw(): Promise<void> {
    this.process.signal('SIGCONT');
    return Promise.resolve();
  }

  async restart(): Promise<void> {
    this.process.signal('SIGKILL');
    await this.process.ended();
    this.process = await startSluice(this.flags);
    await this.serves();
  }

  async end(): Promise<void> {
    this.process.signal('SIGCONT');
    await this.process[Symbol.asyncDispose]();
  }

  private async serves(): Promise<void> {
    await this.process.serving();
    const { tls } = this;
    const security = tls && credentials.createSsl(readFileSync(tls.ca));
    using client = connectRpc(
      this.address.replace('127.0.0.1', tls?.name ?? '127.0.0.1'),
      undefined,
      security,
    );
    const isReady = async (): Promise<boolean> =>
      (await client.health('read')) === HealthCheckResponse_ServingStatus.SERVING;
    await until(() => isReady().catch(() => false), 30_000);
  }
}

function authFlags({ auth, tokens }: Settings, folder: string): string[] {
  if (auth === undefined) return [];
  const path = join(folder, 'auth.json');
  writeFileSync(path, withHashes(auth, tokens));
  return [`--auth-file=${path}`];
}

/** The auth file, with the hash of a token for each text `sha256 of NAME`. */
function withHashes(auth: Json, tokens: Settings['tokens']): string {
  return JSON.stringify(auth).replace(/sha256 of (\w+)/g, (_whole, name: string) =>
    createHash('sha256')
      .update(tokens[name] ?? '')
      .digest('hex'),
  );
}
