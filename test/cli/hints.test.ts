import { withPort } from '../../src/cli/address';
import { startCommandGateway, type CommandGateway } from './gateway-commands';
import { runSluice } from './process';

/** Messages of commands that print no result, and arguments that may be left out. */

let gateway: CommandGateway;
beforeAll(async () => {
  gateway = await startCommandGateway();
  await gateway.client.append('order.42', [{ type: 'Placed' }]);
});
afterAll(() => gateway[Symbol.asyncDispose]());

test.each([
  [['read', 'nothing'], 'sluice: no events were found; stream nothing is at version 0\n'],
  [['read', 'order.42', '--type', 'Paid'], 'sluice: no events were found; stream order.42 is at version 1\n'],
  [
    ['read', 'order'],
    "sluice: no events were found; stream order is at version 0; did you mean 'order.>'?\n",
  ],
  [['streams', 'nothing'], 'sluice: no streams were found\n'],
  [['streams', 'order'], "sluice: no streams were found; did you mean 'order.>'?\n"],
  [['streams', 'nothing.*'], 'sluice: no streams were found\n'],
  [['correlation', 'c-0'], 'sluice: no events with the correlation id c-0 were found\n'],
])('%j finds nothing, and reports it on standard error', async (args, stderr) => {
  expect(await gateway.run(args)).toEqual({ code: 0, stdout: '', stderr });
});

test('tail hints at a pattern for the beginning of a name', async () => {
  await using tail = await gateway.start(['tail', 'order', 'order.42', '--from', '0', '--max-count', '1']);
  expect(await tail.ended()).toBe(0);
  expect(tail.stderr()).toBe("sluice: there is no stream order; did you mean 'order.>'?\n");
});

test('tail starts at a time ago', async () => {
  const [event] = await gateway.json(['tail', 'order.*', '--from', '1h', '--max-count', '1']);
  expect(event).toMatchObject({ stream: 'order.42', version: '1' });
  const { code, stderr } = await gateway.run(['tail', '--from', '1y']);
  expect(code).toBe(2);
  expect(stderr).toContain('such as 30s, 15m, 1h or 2d');
});

test('help of a command, and of all', async () => {
  for (const words of [[], ['serve']])
    expect(await runSluice(['help', ...words])).toEqual(await runSluice(['--help']));
  expect(await runSluice(['help', 'read'])).toEqual(await runSluice(['read', '--help']));
  expect(await runSluice(['help', 'raed'])).toMatchObject({ code: 2, stdout: '' });
});

test.each([
  ['gateway.internal', 'gateway.internal:50051'],
  ['127.0.0.1', '127.0.0.1:50051'],
  ['::1', '[::1]:50051'],
  ['[::1]', '[::1]:50051'],
  ['[::1]:1', '[::1]:1'],
  ['127.0.0.1:1', '127.0.0.1:1'],
  ['dns:///gateway', 'dns:///gateway'],
  ['unix:/run/sluice.sock', 'unix:/run/sluice.sock'],
])('the address %s is %s', (given, address) => {
  expect(withPort(given)).toBe(address);
});
