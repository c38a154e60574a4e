import { Writable } from 'node:stream';
import { stripVTControlCharacters } from 'node:util';
import type { RecordedEvent } from '../../src/client/client';
import { printEvent } from '../../src/cli/event-text';
import { createOutput, type Sink } from '../../src/cli/output';
import { createProgress } from '../../src/cli/progress';

/** What a terminal gets; the tests of the commands have pipes. */
interface Terminal {
  readonly sink: Sink;
  readonly shown: () => string;
}

function terminal(properties: Partial<Sink> = {}): Terminal {
  let shown = '';
  const writable = new Writable({
    write(chunk: Buffer, _encoding, done) {
      shown += chunk.toString();
      done();
    },
  });
  const sink = Object.assign(writable, { isTTY: true, columns: 40, hasColors: () => true, ...properties });
  return { sink, shown: () => shown };
}

const event: RecordedEvent = {
  stream: 'order.1',
  version: 2n,
  position: 7n,
  commitTime: new Date(0),
  commitTimeNanos: 1_000_000_001n,
  id: 'e-2',
  type: 'Paid',
  data: '{"by":"card"}',
  contentType: 'application/json',
  correlationId: 'c-1',
  causationId: 'e-2',
  tags: ['x'],
  metadata: new Map([['user', 'ada\u001b[2J']]),
};

const plain = [
  'order.1 2 Paid',
  '  position 7  1970-01-01T00:00:01.000000001Z  id e-2  correlation c-1  application/json  #x  user=ada\\u001b[2J',
  '  {"by":"card"}',
  '',
].join('\n');

test('an event in colours, and the same without where there are none', async () => {
  const coloured = terminal();
  await printEvent(createOutput(coloured.sink), event, false);
  expect(coloured.shown()).toContain('\u001b[1mPaid\u001b[22m');
  expect(stripVTControlCharacters(coloured.shown())).toBe(plain);
  const colourless = terminal({ hasColors: () => false });
  await printEvent(createOutput(colourless.sink), event, false);
  expect(colourless.shown()).toBe(plain);
});

test('colours are for terminals only', async () => {
  const piped = terminal({ isTTY: false });
  await printEvent(createOutput(piped.sink), event, false);
  expect(piped.shown()).toBe('7\t1970-01-01T00:00:01.000000001Z\torder.1\t2\tPaid\t{"by":"card"}\n');
});

test('progress is drawn on a terminal, in its width, not too often, and taken away', () => {
  const { sink, shown } = terminal();
  let nowMs = 0;
  const progress = createProgress(sink, () => nowMs);
  progress.show(1, 4, '10 events');
  progress.show(2, 4, '20 events');
  expect(shown()).toBe('\r\u001b[K[######..................]  25 %  10 ev');
  nowMs = 100;
  progress.show(4, 4, '40 events');
  progress.clear();
  expect(shown().split('\r\u001b[K').slice(2)).toEqual(['[########################] 100 %  40 ev', '']);
  progress.clear();
  expect(shown().split('\r').length).toBe(4);
});

test('progress does not show in a pipe', () => {
  const { sink, shown } = terminal({ isTTY: false });
  const progress = createProgress(sink);
  progress.show(1, 4, '10 events');
  progress.clear();
  expect(shown()).toBe('');
});
