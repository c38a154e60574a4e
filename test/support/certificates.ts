import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
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
  /**
   * For 127.0.0.1 and localhost, unless other names are given, as openssl writes them: separated by commas, or as a list if a name
   * has a comma. `subject` is `/CN=<name>` by default.
   */
  issue(name: string, names?: string | readonly string[], subject?: string): Promise<Certificate>;
  /** The same for this number of days instead of two; -1: it expired a day ago. */
  issueFor(name: string, days: number): Promise<Certificate>;
  /** An authority that has a certificate of this one, for the same time. */
  issueAuthority(name: string): Promise<Authority & Certificate>;
  /** Path of a list of the revoked certificates, these included, PEM. `options`: of `openssl ca -gencrl`. */
  revoke(certificates: readonly Certificate[], options?: readonly string[]): Promise<string>;
}

const run = promisify(execFile);
const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
const days = ['-days', '2'];

/** Creates an authority with `openssl`; only if `haveOpenssl` of tools.ts returns true. */
export async function makeAuthority(): Promise<Authority> {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-certificates-'));
  const own = { cert: join(folder, 'ca.pem'), key: join(folder, 'ca.key') };
  const subject = ['-subj', '/CN=authority of a test'];
  await run('openssl', [
    'req',
    '-x509',
    ...newKey,
    '-keyout',
    own.key,
    '-out',
    own.cert,
    ...days,
    ...subject,
  ]);
  return authorityIn(folder, own);
}

function authorityIn(folder: string, { cert: ca, key: caKey }: Certificate): Authority {
  const file = (name: string): string => join(folder, name);
  let lists = 0;

  async function issue(
    name: string,
    subject: string,
    extensions: string,
    lifetime = days,
  ): Promise<Certificate> {
    writeFileSync(file(`${name}.extensions`), extensions);
    const [cert, key, request] = [file(`${name}.pem`), file(`${name}.key`), file(`${name}.csr`)];
    await run('openssl', ['req', ...newKey, '-keyout', key, '-out', request, '-subj', subject]);
    const signing = ['-CA', ca, '-CAkey', caKey, '-CAcreateserial', '-extfile', file(`${name}.extensions`)];
    await run('openssl', ['x509', '-req', '-in', request, '-out', cert, ...lifetime, ...signing]);
    return { cert, key };
  }

  return {
    ca,
    issue: (name, names = 'IP:127.0.0.1,DNS:localhost', subject = `/CN=${name}`) =>
      issue(name, subject, namesExtension(names)),
    issueFor: (name, wanted) =>
      issue(name, `/CN=${name}`, namesExtension('IP:127.0.0.1,DNS:localhost'), ['-days', `${wanted}`]),
    async issueAuthority(name) {
      const own = await issue(name, `/CN=${name}`, 'basicConstraints=critical,CA:TRUE\n');
      mkdirSync(file(`${name}-authority`));
      return { ...authorityIn(file(`${name}-authority`), own), ...own };
    },
    async revoke(certificates, options = ['-crldays', '1']) {
      const [config, list] = [file('ca.conf'), file(`revoked-${++lists}.pem`)];
      if (lists === 1) writeFileSync(file('index.txt'), '');
      const settings = [
        '[ca]',
        'default_ca=it',
        '[it]',
        `database=${file('index.txt')}`,
        'default_md=sha256',
      ];
      writeFileSync(config, settings.join('\n'));
      const by = ['ca', '-config', config, '-keyfile', caKey, '-cert', ca];
      for (const { cert } of certificates) await run('openssl', [...by, '-revoke', cert]);
      await run('openssl', [...by, '-gencrl', ...options, '-out', list]);
      return list;
    },
    [Symbol.dispose]() {
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** openssl splits one text at its commas, and not the entries of a section. */
function namesExtension(names: string | readonly string[]): string {
  if (typeof names === 'string') return names === '' ? '' : `subjectAltName=${names}\n`;
  const entries = names.map((name, index) => name.replace(':', `.${index}=`).replaceAll('"', '\\"'));
  return ['subjectAltName=@names', '[names]', ...entries, ''].join('\n');
}
