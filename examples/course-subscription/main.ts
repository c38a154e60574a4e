import { createInterface } from 'node:readline';
import { connect, type SluiceClient } from 'sluice-eventstore';
import { setCapacity, subscribe, unsubscribe } from './courses';

/** Lines that are under way at a time. */
const atATime = 8;

/** Does what a line says, and returns what came of it. */
async function execute(client: SluiceClient, line: string): Promise<string> {
  const [command, ...args] = line.split(' ');
  const [first = '', second = ''] = args;
  try {
    if (command === 'capacity' && /^\d{1,6}$/.test(second))
      return await setCapacity(client, first, Number(second));
    if (command === 'subscribe' && args.length === 2) return await subscribe(client, first, second);
    if (command === 'unsubscribe' && args.length === 2) return await unsubscribe(client, first, second);
    return 'failed: not a command';
  } catch (error) {
    return `failed: ${String(error)}`;
  }
}

async function main(address = ''): Promise<void> {
  using client = connect(address);
  const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
  const worker = async (): Promise<void> => {
    for (;;) {
      const next = await lines.next();
      if (next.done === true) return;
      console.log(`${next.value}: ${await execute(client, next.value)}`);
    }
  };
  await Promise.all(Array.from({ length: atATime }, worker));
}

void main(...process.argv.slice(2));
