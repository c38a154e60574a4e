import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';

/** A key of an issuer: its private half never leaves this object. */
export interface SigningKey {
  readonly kid: string | undefined;
  readonly jwk: object;
  /** A token with these claims; `exp` in an hour, `iss` and `aud` of the tests unless they are given. */
  sign(claims?: object, header?: object): Promise<string>;
}

export const issuerName = 'https://id.example.com/';
export const audience = 'sluice';

let made = 0;

/** `kid`: null for a key without a name. */
export async function makeKey(alg = 'ES256', kid: string | null = `key-${++made}`): Promise<SigningKey> {
  const { publicKey, privateKey } = await generateKeyPair(alg, { extractable: true });
  const name = kid === null ? {} : { kid };
  return {
    kid: kid ?? undefined,
    jwk: { ...(await exportJWK(publicKey)), ...name, use: 'sig', alg },
    sign: (claims = {}, header = {}) =>
      new SignJWT({ iss: issuerName, aud: audience, sub: 'alice', exp: seconds() + 3_600, ...claims })
        .setProtectedHeader({ alg, ...name, ...header })
        .sign(privateKey),
  };
}

/** The time now in seconds, as in claims. */
export function seconds(): number {
  return Math.floor(Date.now() / 1_000);
}

/** An issuer on loopback that publishes its keys, rotates them, and fails in the ways that an issuer can fail. */
export class OidcIssuer implements AsyncDisposable {
  /** Requests for the keys up to now. */
  requests = 0;
  private served: RequestListener = () => undefined;
  private server: Server | undefined;

  private constructor(private port: number) {}

  static async start(...keys: readonly SigningKey[]): Promise<OidcIssuer> {
    const issuer = new OidcIssuer(0);
    issuer.publish(...keys);
    await issuer.comeBack();
    return issuer;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}/keys`;
  }

  /** From now on, these are the keys. */
  publish(...keys: readonly SigningKey[]): void {
    this.serve((_, response) => response.end(JSON.stringify({ keys: keys.map(({ jwk }) => jwk) })));
  }

  /** From now on, requests are served this way. */
  serve(served: RequestListener): void {
    this.served = served;
  }

  /** From now on, connections are refused. */
  async goAway(): Promise<void> {
    const { server } = this;
    this.server = undefined;
    server?.closeAllConnections();
    if (server !== undefined) await new Promise((resolve) => server.close(resolve));
  }

  async comeBack(): Promise<void> {
    const server = createServer((request, response) => {
      this.requests++;
      this.served(request, response);
    });
    this.server = server;
    await new Promise<void>((resolve) => server.listen(this.port, '127.0.0.1', resolve));
    this.port = (server.address() as AddressInfo).port;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.goAway();
  }
}
