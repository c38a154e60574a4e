import { makeAuthority } from '../support/certificates';
import { resumes } from '../support/tls-session';
import { haveOpenssl } from '../support/tools';
import { startWithWorkers } from '../support/worker-processes';

(haveOpenssl() ? test.each : test.skip.each)(['TLSv1.2', 'TLSv1.3'] as const)(
  'a session of %s is resumed by another worker, unless the client has shown a certificate',
  async (version) => {
    using authority = await makeAuthority();
    const { cert, key } = await authority.issue('server');
    const flags = ['--tls-cert', cert, '--tls-key', key];
    await using open = await startWithWorkers(flags);
    // The second connection goes to the other worker, since they take turns.
    expect(await resumes(open.address, version, authority)).toBe(true);
    await using mutual = await startWithWorkers([...flags, '--tls-client-ca', authority.ca]);
    const client = await authority.issue('client');
    // To the other worker, and to the same one.
    for (let time = 0; time < 3; time++)
      expect(await resumes(mutual.address, version, authority, client)).toBe(false);
  },
  120_000,
);
