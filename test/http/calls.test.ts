import { startTestGateway, type LocalGateway } from '../support/gateway';
import { startNats, type TestNats } from '../support/nats-server';

/** Calls over HTTP: the Connect protocol in JSON, and lines of JSON. */

let nats: TestNats;
let gateway: LocalGateway;
beforeAll(async () => {
  nats = await startNats();
  gateway = await startTestGateway([nats.url], ['--http-listen=127.0.0.1:0']);
});
afterAll(async () => {
  await gateway[Symbol.asyncDispose]();
  await nats[Symbol.asyncDispose]();
});

function post(rpc: string, body: string | Buffer, headers: Record<string, string> = {}): Promise<Response> {
  return fetch(`${gateway.http ?? ''}/sluice.v1.${rpc}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body,
  });
}

test('smoke', async () => {
  let r = await post('EventStoreService/GetVersion', '{"stream":"a"}');
  console.log(r.status, r.headers, await r.text());
  r = await post('EventStoreService/Append', JSON.stringify({stream:'a',noStream:{},events:[{type:'T',payload:Buffer.from('{}').toString('base64')}]}));
  console.log(r.status, await r.text());
  r = await post('EventStoreService/ReadStream', '{"stream":"a"}', {accept:'application/x-ndjson'});
  console.log(r.status, await r.text());
});
