import { once } from 'node:events';
import { Agent, request, type IncomingMessage } from 'node:http';
import { text } from 'node:stream/consumers';
import { until } from '../support/nats-server';
import { replaceWorker, startWithWorkers, workersOf } from '../support/worker-processes';

/** A caller over HTTP, with a connection of its own. */
class Caller {
  constructor(
    private readonly address: string,
    private readonly agent = new Agent({ keepAlive: true, maxSockets: 1 }),
  ) {}

  async response(rpc: string, body: object): Promise<IncomingMessage> {
    const headers = { 'content-type': 'application/json', accept: 'application/x-ndjson' };
    const url = `${this.address}/sluice.v1.EventStoreService/${rpc}`;
    const call = request(url, { method: 'POST', agent: this.agent, headers });
    call.end(JSON.stringify(body));
    const [response] = (await once(call, 'response')) as [IncomingMessage];
    return response;
  }

  async call(rpc: string, body: object): Promise<[number | undefined, Record<string, unknown>]> {
    const response = await this.response(rpc, body);
    return [response.statusCode, JSON.parse(await text(response)) as Record<string, unknown>];
  }

  close(): void {
    this.agent.destroy();
  }
}

const events = [{ type: 'Happened' }];

test('calls over HTTP are served by two workers as by one process, also after one has ended', async () => {
  await using gateway = await startWithWorkers(['--http-listen=127.0.0.1:0']);
  const address = /http:\/\/127\.0\.0\.1:\d+/.exec(gateway.process.stdout())?.[0] ?? '';
  const callers = Array.from({ length: 8 }, () => new Caller(address));
  const [first, second, follower] = [callers[0], callers[1], new Caller(address)] as [Caller, Caller, Caller];

  const followed = await follower.response('Subscribe', {});
  let seen = '';
  followed.setEncoding('utf8').on('data', (some: string) => (seen += some));

  // Each sees what the others have appended before, whichever worker it has.
  for (const [at, caller] of callers.entries()) {
    const [status, { version }] = await caller.call('Append', {
      stream: 'shared',
      events,
      expectedVersion: at.toString(),
    });
    expect([status, version]).toEqual([200, (at + 1).toString()]);
  }
  await until(() => seen.split('"type":"Happened"').length - 1 === callers.length);
  const [status, { code, details }] = await first.call('Append', {
    stream: 'shared',
    events,
    expectedVersion: '0',
  });
  expect([status, code]).toEqual([409, 'aborted']);
  expect(JSON.stringify(details)).toContain('"reason":"VERSION_CONFLICT"');
  followed.destroy();

  await replaceWorker(gateway.process.pid, workersOf(gateway.process.pid)[0] as number);
  for (const caller of [first, second])
    await until(async () => {
      const answer = await caller.call('GetVersion', { stream: 'shared' }).catch(() => undefined);
      return answer?.[1]['version'] === callers.length.toString();
    }, 30_000);
  for (const caller of [...callers, follower]) caller.close();
}, 120_000);
