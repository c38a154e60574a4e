import { isIP } from 'node:net';
import { connect } from 'node:tls';
import type { ConnectOptions } from '../client/client';
import type { Finding } from './finding';
import { counted } from './counted';

const dayMs = 86_400_000;
/** A renewal that does not work should be noticed while there is time to mend it. */
const daysFew = 21;
const timeoutMs = 10_000;

/**
 * When the certificate expires that a gateway presents, in milliseconds since 1970. Looks at it in a handshake of its own, since one
 * that has expired prevents every call. undefined: there is no TLS, or no handshake: then a call tells why. `address`: a gRPC target,
 * and of a list the first.
 */
export async function certificateExpiry(
  address: string,
  tls: ConnectOptions['tls'],
  signal: AbortSignal,
): Promise<number | undefined> {
  const [, inBrackets, name, port] =
    /^(?:dns:(?:\/\/\/)?|ipv[46]:)?(?:\[([^\]]+)\]|([^:/,]+)):(\d+)(?:,|$)/.exec(address) ?? [];
  const host = inBrackets ?? name;
  if (tls === undefined || host === undefined) return undefined;
  const { cert, key } = tls === true ? {} : tls;
  const socket = connect({
    ...(cert !== undefined && { cert: Buffer.from(cert) }),
    ...(key !== undefined && { key: Buffer.from(key) }),
    ...(isIP(host) === 0 && { servername: host }),
    host,
    port: Number(port),
    ALPNProtocols: ['h2'],
    rejectUnauthorized: false, // nothing is sent
  });
  const stop = (): void => void socket.destroy();
  signal.addEventListener('abort', stop, { once: true });
  try {
    return await new Promise((resolve) => {
      socket.setTimeout(timeoutMs, stop);
      socket.once('secureConnect', () => {
        resolve(Date.parse(socket.getPeerCertificate().valid_to));
      });
      socket.on('error', stop).once('close', () => {
        resolve(undefined);
      });
    });
  } finally {
    signal.removeEventListener('abort', stop);
    stop();
  }
}

export function certificateFinding(expiresAtMs: number, nowMs: number): Finding {
  const check = 'tls';
  const remedy = 'renew the files of --tls-cert and --tls-key; the gateway takes them without a restart';
  if (expiresAtMs <= nowMs) {
    const date = new Date(expiresAtMs).toISOString();
    const message = `the certificate of the gateway expired at ${date}: clients refuse it, and nothing else could be checked`;
    return { check, level: 'fail', message, remedy };
  }
  const days = Math.ceil((expiresAtMs - nowMs) / dayMs);
  const message = `the certificate of the gateway expires within ${counted(days, 'day')}`;
  return days <= daysFew ? { check, level: 'warn', message, remedy } : { check, level: 'ok', message };
}
