import { connect } from 'nats';
import { systemUser } from './embedded-config';

const timeoutMs = 2_000;

/** The server's report on its health (server/monitor.go, `HealthStatus`). */
interface Health {
  readonly data?: { readonly errors?: readonly HealthError[] };
}

interface HealthError {
  readonly type?: string;
  readonly stream?: string;
  readonly error?: string;
}

/**
 * Why one of these streams of a server can no longer be written, which only the health report of the server says. undefined:
 * nothing is wrong, or the server does not answer.
 */
export async function streamWriteError(
  url: string,
  systemPassword: string,
  streams: readonly string[],
): Promise<string | undefined> {
  try {
    const connection = await connect({
      servers: url,
      user: systemUser,
      pass: systemPassword,
      timeout: timeoutMs,
      reconnect: false,
    });
    try {
      const request = JSON.stringify({ details: true });
      const answer = await connection.request('$SYS.REQ.SERVER.PING.HEALTHZ', request, {
        timeout: timeoutMs,
      });
      const { data } = answer.json<Health>();
      // Other errors do not affect writing: a stream of another store that could not be recovered, for instance.
      const isWriteError = ({ type, stream = '', error = '' }: HealthError): boolean =>
        type === 'STREAM' && streams.includes(stream) && error.includes('write error');
      return data?.errors?.find(isWriteError)?.error;
    } finally {
      await connection.close();
    }
  } catch {
    return undefined;
  }
}
