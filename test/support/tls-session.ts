import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect, type SecureVersion } from 'node:tls';
import type { Authority, Certificate } from './certificates';

/** Whether a connection can go on with the TLS session of another one. */
export async function resumes(
  address: string,
  version: SecureVersion,
  { ca }: Authority,
  own?: Certificate,
): Promise<boolean> {
  const shown = own && { cert: readFileSync(own.cert), key: readFileSync(own.key) };
  const connectOnce = async (session?: Buffer): Promise<{ session?: Buffer; isReused: boolean }> => {
    const socket = connect({
      ...{ ...shown, ca: readFileSync(ca), ALPNProtocols: ['h2'] },
      ...{ port: Number(address.split(':')[1]), host: 'localhost', servername: 'localhost' },
      ...{ minVersion: version, maxVersion: version, ...(session && { session }) },
    });
    let last: Buffer | undefined;
    socket.on('session', (given: Buffer) => (last = given));
    // With the first bytes of HTTP/2, tickets of TLS 1.3 have come as well.
    await once(socket, 'data');
    last ??= socket.getSession();
    const isReused = socket.isSessionReused();
    socket.destroy();
    return { isReused, ...(last && { session: last }) };
  };
  const { session } = await connectOnce();
  return (await connectOnce(session)).isReused;
}
