import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:net';

/**
 * Free ports on loopback, never the same again in this process, nor in another worker of Jest. They are below those that systems give
 * to outgoing connections: one of these would be taken while a server has not begun yet, or is being started again.
 */
export async function freePorts(count: number): Promise<number[]> {
  const ports: number[] = [];
  while (ports.length < count) {
    const port = firstPort + randomInt(portsOfWorker);
    if (!givenPorts.has(port) && (await isFree(port))) ports.push(port);
    givenPorts.add(port);
  }
  return ports;
}

const portsOfWorker = 1_400;
const workersMax = 16;
/** Linux gives outgoing connections those from 32,768, macOS higher ones. */
const firstPort = 10_000 + portsOfWorker * (Number(process.env['JEST_WORKER_ID'] ?? 0) % workersMax);
const givenPorts = new Set<number>();

async function isFree(port: number): Promise<boolean> {
  const server = createServer();
  try {
    await once(server.listen(port, '127.0.0.1'), 'listening');
    return true;
  } catch {
    return false;
  } finally {
    await new Promise((resolve) => server.close(resolve));
  }
}
