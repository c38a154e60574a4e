import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

/** A certificate and its key: paths of PEM files. */
export interface Certificate {
  readonly cert: string;
  readonly key: string;
}

/** A certificate authority in a temporary folder, which is removed on disposal. */
export interface Authority extends Disposable {
  /** Path of its certificate, PEM. */
  readonly ca: string;
  /** For 127.0.0.1 and localhost, unless other names are given, as openssl writes them. */
  issue(name: string, names?: string): Promise<Certificate>;
}

const run = promisify(execFile);
const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
const days = ['-days', '2'];

/** Creates an authority with `openssl`; only if `haveOpenssl` of tools.ts returns true. */
export async function makeAuthority(): Promise<Authority> {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-certificates-'));
  const file = (name: string): string => join(folder, name);
  const [ca, caKey] = [file('ca.pem'), file('ca.key')];
  const subject = ['-subj', '/CN=authority of a test'];
  await run('openssl', ['req', '-x509', ...newKey, '-keyout', caKey, '-out', ca, ...days, ...subject]);
  return {
    ca,
    async issue(name, names = 'IP:127.0.0.1,DNS:localhost') {
      const extensions = file(`${name}.extensions`);
      writeFileSync(extensions, `subjectAltName=${names}\n`);
      const [cert, key, request] = [file(`${name}.pem`), file(`${name}.key`), file(`${name}.csr`)];
      await run('openssl', ['req', ...newKey, '-keyout', key, '-out', request, '-subj', `/CN=${name}`]);
      const signing = ['-CA', ca, '-CAkey', caKey, '-CAcreateserial', '-extfile', extensions];
      await run('openssl', ['x509', '-req', '-in', request, '-out', cert, ...days, ...signing]);
      return { cert, key };
    },
    [Symbol.dispose]() {
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
