import { readFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { connect, createServer, type DetailedPeerCertificate, type TLSSocket } from 'node:tls';
import type { Authority, Certificate } from '../support/certificates';

/**
 * What a TLS server that demands client certificates of the authority sees of a client. `chain`: what the client sends beside its
 * certificate. Rejects if TLS does not accept the certificate.
 */
export async function peerOf(
  authority: Authority,
  client: Certificate,
  ...chain: readonly Certificate[]
): Promise<DetailedPeerCertificate> {
  const own = await authority.issue('server');
  const server = createServer({
    ...pair(own),
    ca: readFileSync(authority.ca),
    requestCert: true,
    rejectUnauthorized: true,
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const socket = connect({
    ...pair(client, ...chain),
    port,
    ca: readFileSync(authority.ca),
    servername: 'localhost',
  });
  try {
    const accepted = await new Promise<TLSSocket>((resolve, reject) => {
      server.on('secureConnection', resolve);
      server.on('tlsClientError', reject);
      socket.on('error', reject);
    });
    return accepted.getPeerCertificate(true);
  } finally {
    socket.destroy();
    server.close();
  }
}

function pair(own: Certificate, ...chain: readonly Certificate[]): { cert: string; key: Buffer } {
  const certificates = [own, ...chain].map(({ cert }) => readFileSync(cert, 'latin1'));
  return { cert: certificates.join(''), key: readFileSync(own.key) };
}
