import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { namesOf } from '../../src/auth/certificate-names';
import { parseRevocationLists, RevocationListError } from '../../src/auth/crl';
import { makeAuthority, type Authority, type Certificate } from '../support/certificates';
import { haveOpenssl } from '../support/tools';

const whenOpenssl = haveOpenssl() ? describe : describe.skip;

whenOpenssl('lists of revoked certificates', () => {
  let [authority, stranger]: Authority[] = [];
  let bad: Certificate;
  let list: Buffer;
  const certificateOf = ({ ca }: Authority): X509Certificate => new X509Certificate(readFileSync(ca));
  const serialOf = ({ cert }: Certificate): string =>
    namesOf(new X509Certificate(readFileSync(cert)).raw).serial;
  const get = (one: Authority | undefined): Authority => {
    if (one === undefined) throw new Error('not made');
    return one;
  };

  beforeAll(async () => {
    [authority, stranger] = await Promise.all([makeAuthority(), makeAuthority()]);
    bad = await get(authority).issue('bad');
    list = readFileSync(await get(authority).revoke([bad]));
  });
  afterAll(() => {
    authority?.[Symbol.dispose]();
    stranger?.[Symbol.dispose]();
  });

  test('name the revoked certificates and when the next list is due, in PEM and in DER', () => {
    const der = Buffer.from(/-\n([^-]*)\n-/.exec(list.toString())?.[1] ?? '', 'base64');
    for (const content of [list, der]) {
      const [parsed, ...more] = parseRevocationLists(content, [certificateOf(get(authority))]);
      expect(more).toEqual([]);
      expect(parsed?.revoked).toEqual([serialOf(bad)]);
      const dueInHours = ((parsed?.nextUpdateMs ?? 0) - Date.now()) / 3_600_000;
      expect(dueInHours).toBeGreaterThan(23);
      expect(dueInHours).toBeLessThanOrEqual(24);
    }
  });

  test('may be empty, and old', async () => {
    using other = await makeAuthority();
    const times = ['-crl_lastupdate', '20200101000000Z', '-crl_nextupdate', '20200201000000Z'];
    const content = readFileSync(await other.revoke([], times));
    expect(parseRevocationLists(content, [certificateOf(other)])).toEqual([
      { revoked: [], nextUpdateMs: Date.UTC(2020, 1, 1) },
    ]);
  });

  test('may be several in a file, each of its own authority', async () => {
    const between = await get(authority).issueAuthority('between');
    const worse = await between.issue('worse');
    const both = Buffer.concat([list, readFileSync(await between.revoke([worse]))]);
    const authorities = [certificateOf(between), certificateOf(get(authority))];
    const revoked = parseRevocationLists(both, authorities).map((one) => one.revoked);
    expect(revoked).toEqual([[serialOf(bad)], [serialOf(worse)]]);
    const unknown = () => parseRevocationLists(both, authorities.slice(1));
    expect(unknown).toThrow(new RevocationListError('is not signed by an authority of client certificates'));
  });

  test('are refused if another authority with the same name has signed them', () => {
    expect(certificateOf(get(stranger)).subject).toBe(certificateOf(get(authority)).subject);
    expect(() => parseRevocationLists(list, [certificateOf(get(stranger))])).toThrow('is not signed by');
  });

  test('are refused if anything in them was changed', () => {
    const der = Buffer.from(/-\n([^-]*)\n-/.exec(list.toString())?.[1] ?? '', 'base64');
    const authorities = [certificateOf(get(authority))];
    for (let at = 0; at < der.length; at++) {
      const changed = Buffer.from(der);
      changed[at] = (changed[at] ?? 0) ^ 1;
      expect([at, attempt(() => parseRevocationLists(changed, authorities))]).toEqual([at, 'refused']);
    }
    for (let length = 0; length < der.length; length++) {
      const cut = der.subarray(0, length);
      expect([length, attempt(() => parseRevocationLists(cut, authorities))]).toEqual([length, 'refused']);
    }
  });

  function attempt(work: () => unknown): string {
    try {
      work();
    } catch (error) {
      return error instanceof RevocationListError ? 'refused' : String(error);
    }
    return 'accepted';
  }

  test('are refused as a whole if anything of the file is not a complete list', async () => {
    const between = await get(authority).issueAuthority('second');
    const first = list.toString();
    const second = readFileSync(await between.revoke([bad])).toString();
    const both = (changed: string) => parseRevocationLists(Buffer.from(first + changed), undefined);
    expect(both(`\r\n ${second.replaceAll('\n', '\r\n')}\n\n`)).toHaveLength(2);
    const damaged = [
      ...[1, 10, second.length / 2, second.length - 2].map((length) => second.slice(0, length)),
      second.slice(1),
      second.replace('-----BEGIN X509 CRL-----', ''),
      second.replace('X509 CRL', 'CERTIFICATE'),
      second.replaceAll('X509 CRL', 'CERTIFICATE'),
      second.replace(/(?<=\n)./, '-'),
      second.replace(/(?<=\n)./, '#'),
      `${second}x`,
      `# the second one\n${second}`,
    ];
    for (const one of damaged) {
      expect([one, attempt(() => both(one))]).toEqual([one, 'refused']);
    }
  });

  test.each<[string, () => Buffer]>([
    ['an empty file', () => Buffer.alloc(0)],
    ['a text', () => Buffer.from('revoked: none')],
    ['a certificate', () => readFileSync(bad.cert)],
    ['a certificate in DER', () => new X509Certificate(readFileSync(bad.cert)).raw],
    [
      'a list of which a part is missing',
      () => Buffer.from(list.toString().replace(/\n[^-\n]+\n-----END/, '\n-----END')),
    ],
  ])('are not found in %s', (_, content) => {
    expect(() => parseRevocationLists(content(), undefined)).toThrow(RevocationListError);
  });
});
