import { once } from 'node:events';
import { Agent, get } from 'node:http';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import pino from 'pino';
import { textAnswer, type Answer } from '../../src/http/answer';
import { HttpCounts } from '../../src/http/http-counts';
import { startHttpServer, type Routes } from '../../src/http/http-server';
import { sharedAnswer } from '../../src/http/shared-answer';
import { defaultLimits, type Limits } from '../../src/limits';

interface TestServer extends AsyncDisposable {
  readonly url: string;
  readonly port: number;
  readonly counts: HttpCounts;
}

async function serve(routes: Routes, limits: Partial<Limits> = {}): Promise<TestServer> {
  const counts = new HttpCounts();
  const server = await startHttpServer({
    address: '127.0.0.1:0',
    routes,
    counts,
    limits: { ...defaultLimits, ...limits },
    log: pino({ level: 'silent' }),
  });
  return {
    url: `http://${server.address}`,
    port: Number(server.address.split(':')[1]),
    counts,
    [Symbol.asyncDispose]: () => server.close(),
  };
}

/** What the server sends until it closes the connection. */
async function allFrom(socket: Socket): Promise<string> {
  let text = '';
  socket.setEncoding('latin1').on('data', (some: string) => (text += some));
  await once(socket, 'close');
  return text;
}

const hello: Routes = { '/hello': () => textAnswer(200, 'hello') };

test('routes take GET and HEAD; what else comes gets a short answer', async () => {
  await using server = await serve(hello);
  const get = await fetch(`${server.url}/hello?verbose`);
  expect([get.status, await get.text()]).toEqual([200, 'hello\n']);
  const head = await fetch(`${server.url}/hello`, { method: 'HEAD' });
  expect([head.status, head.headers.get('content-length'), await head.text()]).toEqual([200, '6', '']);
  const post = await fetch(`${server.url}/hello`, { method: 'POST', body: 'x' });
  expect([post.status, post.headers.get('allow')]).toEqual([405, 'GET, HEAD']);
  for (const path of ['/', '/hello/', '/constructor', '/%2e%2e/etc/passwd', '/__proto__']) {
    const { status } = await fetch(`${server.url}${path}`);
    expect({ path, status }).toEqual({ path, status: 404 });
  }
  const counts = server.counts.all().map(({ route, code, count }) => [route, code, count]);
  expect(counts).toEqual([
    ['/hello', 200, 2],
    ['/hello', 405, 1],
    ['other', 404, 5],
  ]);
});

test('every answer has the headers of security, and no version of the server', async () => {
  await using server = await serve(hello);
  for (const path of ['/hello', '/nothing']) {
    const { headers } = await fetch(`${server.url}${path}`);
    expect(headers.get('x-content-type-options')).toBe('nosniff');
    expect(headers.get('content-security-policy')).toBe("default-src 'none'; frame-ancestors 'none'");
    expect(headers.get('cache-control')).toBe('no-store');
    expect([headers.get('server'), headers.get('x-powered-by')]).toEqual([null, null]);
  }
});

test('a route that fails is an internal error, which says nothing about the inside', async () => {
  await using server = await serve({ '/bug': () => Promise.reject(new Error('secret')) });
  const response = await fetch(`${server.url}/bug`);
  expect(response.status).toBe(500);
  expect(await response.text()).not.toContain('secret');
});

test('a caller that sends its headers slowly, or too many of them, loses its connection', async () => {
  await using server = await serve(hello, { httpRequestTimeoutMs: 500, httpHeaderBytesMax: 2_048 });
  const slow = connect(server.port, '127.0.0.1');
  slow.write('GET /hello HTTP/1.1\r\nHost: a\r\n');
  const dribbling = setInterval(() => slow.write('X-A: b\r\n'), 100);
  slow.on('error', () => undefined);
  expect(await allFrom(slow)).toMatch(/^HTTP\/1\.1 408 /);
  clearInterval(dribbling);
  const large = connect(server.port, '127.0.0.1').on('error', () => undefined);
  large.write(`GET /hello HTTP/1.1\r\nHost: a\r\nX-A: ${'a'.repeat(4_096)}\r\n\r\n`);
  expect(await allFrom(large)).toMatch(/^HTTP\/1\.1 431 /);
  expect((await fetch(`${server.url}/hello`)).status).toBe(200);
});

test('a caller that sends nothing more, or takes nothing, loses its connection', async () => {
  const page = Buffer.alloc(16 << 20, 'x');
  const large: Routes = { ...hello, '/large': () => ({ status: 200, type: 'text/plain', body: page }) };
  await using server = await serve(large, { httpIdleMs: 500 });
  const idle = connect(server.port, '127.0.0.1');
  idle.write('GET /hello HTTP/1.1\r\nHost: a\r\n\r\n');
  expect(await allFrom(idle)).toMatch(/^HTTP\/1\.1 200 /);
  const deaf = connect(server.port, '127.0.0.1').on('error', () => undefined);
  deaf.write('GET /large HTTP/1.1\r\nHost: a\r\n\r\n');
  await once(deaf, 'readable');
  await new Promise((resolve) => setTimeout(resolve, 1_500));
  // What the system has buffered, and no more.
  await allFrom(deaf);
  expect(deaf.bytesRead).toBeLessThan(page.length);
});

test('connections above the bound are closed at once, and others are served on', async () => {
  await using server = await serve(hello, { httpConnectionsMax: 2 });
  const open = [0, 1].map(() => connect(server.port, '127.0.0.1'));
  await Promise.all(open.map((socket) => once(socket, 'connect')));
  open[0]?.write('GET /hello HTTP/1.1\r\nHost: a\r\n\r\n');
  await once(open[0] as Socket, 'data');
  const third = connect(server.port, '127.0.0.1').on('error', () => undefined);
  expect(await allFrom(third)).toBe('');
  open[1]?.write('GET /hello HTTP/1.1\r\nHost: a\r\n\r\n');
  await once(open[1] as Socket, 'data');
  for (const socket of open) socket.destroy();
});

/** The status of an answer to a caller with this address; undefined: the server has closed the connection. */
function ask(url: string, localAddress: string, agent?: Agent): Promise<number | undefined> {
  return new Promise((resolve) => {
    get(url, { localAddress, agent: agent ?? false }, (response) => {
      response.resume().on('end', () => {
        resolve(response.statusCode);
      });
    }).on('error', () => {
      resolve(undefined);
    });
  });
}

test('an address that opens every connection it can get does not keep a probe from another one', async () => {
  const page = sharedAnswer(() => Promise.resolve(textAnswer(200, 'x'.repeat(50_000))), 500);
  await using server = await serve({ ...hello, '/metrics': page });
  const [greedy, probe] = ['127.0.0.2', '127.0.0.1'];
  const kept = new Agent({ keepAlive: true });
  const hoarded = await Promise.all(
    Array.from({ length: 200 }, () => ask(`${server.url}/metrics`, greedy, kept)),
  );
  expect(hoarded.filter((status) => status === 200)).toHaveLength(defaultLimits.httpAddressConnectionsMax);
  const stop = new AbortController();
  const scraper = async (): Promise<void> => {
    while (!stop.signal.aborted) {
      await ask(`${server.url}/metrics`, greedy);
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  };
  const scrapers = Array.from({ length: 50 }, scraper);
  const probes: (number | undefined)[] = [];
  for (let i = 0; i < 50; i++) {
    probes.push(await ask(`${server.url}/hello`, probe));
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  stop.abort();
  await Promise.all(scrapers);
  expect(probes).toEqual(Array.from(probes, () => 200));
  expect(await ask(`${server.url}/hello`, greedy)).toBeUndefined();
  kept.destroy();
  while ((await ask(`${server.url}/hello`, greedy)) !== 200)
    await new Promise((resolve) => setTimeout(resolve, 20));
}, 30_000);

test('a port that is taken is an error that names the flag', async () => {
  const other = createServer().listen(0, '127.0.0.1');
  await once(other, 'listening');
  const { port } = other.address() as AddressInfo;
  const address = `127.0.0.1:${port.toString()}`;
  const starting = startHttpServer({
    address,
    routes: hello,
    counts: new HttpCounts(),
    limits: defaultLimits,
    log: pino({ level: 'silent' }),
  });
  await expect(starting).rejects.toThrow(
    `cannot listen on ${address} for HTTP: the port is in use; choose another --http-listen, or off`,
  );
  other.close();
});

test('a stop lets a request under way finish, and takes no new one', async () => {
  let finish: (answer: Answer) => void = () => undefined;
  const answer = new Promise<Answer>((resolve) => (finish = resolve));
  let hasBegun = (): void => undefined;
  const begun = new Promise<void>((resolve) => (hasBegun = resolve));
  const slow = (): Promise<Answer> => {
    hasBegun();
    return answer;
  };
  const server = await serve({ '/slow': slow });
  const response = fetch(`${server.url}/slow`);
  await begun;
  const closing = server[Symbol.asyncDispose]();
  await expect(fetch(`${server.url}/slow`)).rejects.toThrow();
  finish(textAnswer(200, 'done'));
  expect((await response).status).toBe(200);
  await closing;
});

test('50 callers that ask every 100 ms share what is computed', async () => {
  let made = 0;
  let running = 0;
  const make = async (): Promise<Answer> => {
    expect(++running).toBe(1);
    made++;
    await new Promise((resolve) => setTimeout(resolve, 20));
    running--;
    return textAnswer(200, made.toString());
  };
  await using server = await serve({ '/page': sharedAnswer(make, 200) });
  const scraper = async (): Promise<void> => {
    for (let i = 0; i < 10; i++) {
      expect((await fetch(`${server.url}/page`)).status).toBe(200);
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  };
  const begunMs = performance.now();
  await Promise.all(Array.from({ length: 50 }, scraper));
  expect(made).toBeGreaterThan(2);
  expect(made).toBeLessThanOrEqual(Math.ceil((performance.now() - begunMs) / 200) + 1);
}, 30_000);

test('a shared answer that fails is not kept', async () => {
  let calls = 0;
  const ask = sharedAnswer(() => {
    calls++;
    return calls === 1 ? Promise.reject(new Error('once')) : Promise.resolve(textAnswer(200, 'fine'));
  }, 60_000);
  await expect(ask()).rejects.toThrow('once');
  expect((await ask()).status).toBe(200);
  await ask();
  expect(calls).toBe(2);
});
