import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';

/** A network between a client and a server on loopback, with its faults as verbs. */
export interface TcpRelay extends AsyncDisposable {
  /** The host:port of this end. */
  readonly address: string;
  /** Breaks all connections; new ones work. */
  cut(): void;
  /** Loses everything that the server sends after a client has sent this text; see `isLosing`. */
  loseAnswersTo(text: string): void;
  /** Passes this many more bytes from the server, and loses the rest. */
  loseAnswersAfter(bytes: number): void;
  /** Loses what clients send from now on. */
  loseRequests(): void;
  /** Loses what the server sends on the present connections, their end as well; new ones work. */
  silence(): void;
  /** Passes this many bytes a second from the server on each connection; undefined: all. */
  slowDown(bytesPerSecond: number | undefined): void;
  /** Whether something has been lost. */
  readonly isLosing: boolean;
  /** Cuts, and loses nothing any more. The cut is needed, since the connections have lost parts of messages. */
  heal(): void;
}

/** Starts a relay to a port on loopback, with a delay of `delayMs` each way. */
export async function startTcpRelay(port: number, delayMs = 0): Promise<TcpRelay> {
  const sockets = new Set<Socket>();
  let trigger: string | undefined;
  let losesAnswers = false;
  let answerBytes = Infinity;
  let losesRequests = false;
  let answerRate: number | undefined;
  let isLosing = false;
  let generation = 0;

  const keep = (socket: Socket, other: Socket, isSilent = (): boolean => false): void => {
    sockets.add(socket);
    socket.setNoDelay(true);
    // An error on one side ends the other side as well.
    socket.on('error', () => undefined);
    socket.on('close', () => {
      sockets.delete(socket);
      if (!isSilent()) other.destroy();
    });
  };
  const pass = (bytes: Buffer, to: Socket): void => {
    if (delayMs === 0) to.write(bytes);
    else setTimeout(() => to.write(bytes), delayMs);
  };
  const server = createServer((client) => {
    const target = connect(port, '127.0.0.1');
    const born = generation;
    const isSilent = (): boolean => born < generation;
    keep(client, target);
    keep(target, client, isSilent);
    client.on('data', (bytes) => {
      if (trigger !== undefined && bytes.includes(trigger)) losesAnswers = true;
      if (losesRequests) isLosing = true;
      else pass(bytes, target);
    });
    target.on('data', (bytes) => {
      if (isSilent()) return;
      const passed = bytes.subarray(0, answerBytes);
      answerBytes -= passed.length;
      if (losesAnswers || passed.length < bytes.length) isLosing = true;
      if (!losesAnswers) pass(passed, client);
      if (answerRate === undefined) return;
      target.pause();
      setTimeout(() => target.resume(), (bytes.length / answerRate) * 1_000);
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');

  const cut = (): void => {
    for (const socket of sockets) socket.destroy();
  };
  return {
    address: `127.0.0.1:${(server.address() as AddressInfo).port.toString()}`,
    cut,
    loseAnswersTo(text) {
      trigger = text;
    },
    loseAnswersAfter(bytes) {
      answerBytes = bytes;
    },
    slowDown(bytesPerSecond) {
      answerRate = bytesPerSecond;
    },
    loseRequests() {
      losesRequests = true;
    },
    silence() {
      generation++;
    },
    get isLosing() {
      return isLosing;
    },
    heal() {
      trigger = undefined;
      losesAnswers = losesRequests = isLosing = false;
      answerBytes = Infinity;
      cut();
    },
    async [Symbol.asyncDispose]() {
      server.close();
      cut();
      await once(server, 'close');
    },
  };
}
