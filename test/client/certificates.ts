import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** PEM files of an authority, of a gateway on localhost and of a client; removed on disposal. */
export interface Certificates extends Disposable {
  readonly ca: string;
  readonly gateway: { readonly cert: string; readonly key: string };
  readonly client: { readonly cert: string; readonly key: string };
}

/** Whether openssl can be run; says so loudly if not. */
export function hasOpenssl(): boolean {
  try {
    openssl('version');
    return true;
  } catch {
    process.stderr.write('*** SKIPPED: the tests with TLS. There is no openssl on the PATH. ***\n');
    return false;
  }
}

/** Makes an authority and what it signs. */
export function makeCertificates(): Certificates {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-certificates-'));
  const path = (name: string): string => join(folder, name);
  const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  const request = (name: string): string[] => [
    'req',
    ...newKey,
    '-keyout',
    path(`${name}.key`),
    '-subj',
    `/CN=${name}`,
  ];
  openssl(...request('authority'), '-x509', '-days', '2', '-out', path('authority.pem'));
  const signed = (name: string, extensions: string): { cert: string; key: string } => {
    writeFileSync(path(`${name}.ext`), extensions);
    openssl(...request(name), '-out', path(`${name}.csr`));
    openssl(
      ...['x509', '-req', '-days', '2', '-in', path(`${name}.csr`), '-extfile', path(`${name}.ext`)],
      ...['-CA', path('authority.pem'), '-CAkey', path('authority.key'), '-CAcreateserial'],
      ...['-out', path(`${name}.pem`)],
    );
    return { cert: path(`${name}.pem`), key: path(`${name}.key`) };
  };
  return {
    ca: path('authority.pem'),
    gateway: signed('gateway', 'subjectAltName = DNS:localhost\nextendedKeyUsage = serverAuth\n'),
    client: signed('client', 'extendedKeyUsage = clientAuth\n'),
    [Symbol.dispose]() {
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

function openssl(...args: string[]): void {
  execFileSync('openssl', args, { stdio: ['ignore', 'ignore', 'pipe'] });
}
