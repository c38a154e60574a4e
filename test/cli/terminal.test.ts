import { Writable } from 'node:stream';
import * as fc from 'fast-check';
import { stripVTControlCharacters } from 'node:util';
import type { RecordedEvent } from '../../src/client/client';
import { printEvent } from '../../src/cli/event-text';
import { indentedJson } from '../../src/cli/indented';
import { createOutput, paint, writeLines, type Sink } from '../../src/cli/output';
import { createProgress } from '../../src/cli/progress';

/** A terminal; the tests of the commands use pipes. */
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
  '  {',
  '    "by": "card"',
  '  }',
  '',
].join('\n');

test('an event in colours, and the same text on a terminal without colours', async () => {
  const coloured = terminal();
  await printEvent(createOutput(coloured.sink), event, { asJson: false, full: false });
  expect(coloured.shown()).toContain('\u001b[1mPaid\u001b[22m');
  expect(stripVTControlCharacters(coloured.shown())).toBe(plain);
  const colourless = terminal({ hasColors: () => false });
  await printEvent(createOutput(colourless.sink), event, { asJson: false, full: false });
  expect(colourless.shown()).toBe(plain);
});

test('colours are for terminals only', async () => {
  const piped = terminal({ isTTY: false });
  await printEvent(createOutput(piped.sink), event, { asJson: false, full: false });
  expect(piped.shown()).toBe('7\t1970-01-01T00:00:01.000000001Z\torder.1\t2\tPaid\t{"by":"card"}\n');
});

describe('control characters', () => {
  /** The first control character that is not a line feed. */
  function controlIn(shown: string): string | undefined {
    return Array.from(shown).find((character) => {
      const code = character.codePointAt(0) ?? 0;
      const isC0orC1 = (code < 0x20 && character !== '\n') || (code >= 0x7f && code < 0xa0);
      const turnsText = [0x61c, 0x200e, 0x200f].includes(code) || (code >= 0x2066 && code <= 0x2069);
      return isC0orC1 || turnsText || (code >= 0x2028 && code <= 0x202e);
    });
  }

  const nasty = fc.constantFrom(
    '\u001b[2J',
    '\u009b2J',
    '\u001b]0;x\u0007',
    '\r',
    '\n',
    '\u202e',
    '\u200f',
    '\u2067',
  );
  const text = fc
    .array(fc.oneof(nasty, fc.string({ unit: 'binary' })), { maxLength: 6 })
    .map((parts) => parts.join(''));
  const anyEvent = fc
    .record({
      stream: text,
      id: text,
      type: text,
      data: text,
      contentType: text,
      correlationId: text,
      causationId: text,
      tags: fc.array(text),
    })
    .chain((fields) =>
      fc.array(fc.tuple(text, text)).map((pairs) => ({ ...event, ...fields, metadata: new Map(pairs) })),
    );

  test('are escaped, wherever they are in a line or an event', async () => {
    await fc.assert(
      fc.asyncProperty(anyEvent, text, async (any, message) => {
        const coloured = terminal();
        const out = createOutput(coloured.sink);
        await printEvent(out, any, { asJson: false, full: false });
        await out.line(message, paint('red', message));
        expect(controlIn(stripVTControlCharacters(coloured.shown()))).toBeUndefined();
        const colourless = terminal({ hasColors: () => false });
        await printEvent(createOutput(colourless.sink), any, { asJson: false, full: false });
        writeLines(colourless.sink, message);
        expect(controlIn(colourless.shown())).toBeUndefined();
      }),
    );
  });

  test('are escaped in JSON, which keeps its meaning', async () => {
    await fc.assert(
      fc.asyncProperty(anyEvent, async (any) => {
        const [shown, piped] = [terminal(), terminal({ isTTY: false })];
        await printEvent(createOutput(shown.sink), any, { asJson: true, full: false });
        await printEvent(createOutput(piped.sink), any, { asJson: true, full: false });
        expect(controlIn(shown.shown())).toBeUndefined();
        expect(JSON.parse(shown.shown())).toEqual(JSON.parse(piped.shown()));
      }),
    );
  });

  test('are escaped in a message of several lines, but its line feeds are not', () => {
    const { sink, shown } = terminal();
    writeLines(sink, 'sluice: a\u009b2Jb\n  c\u202ed');
    expect(shown()).toBe('sluice: a\\u009b2Jb\n  c\\u202ed\n');
  });
});

test('a progress bar fits the terminal, is not drawn too often, and is removed', () => {
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

test('a pipe gets no progress bar', () => {
  const { sink, shown } = terminal({ isTTY: false });
  const progress = createProgress(sink);
  progress.show(1, 4, '10 events');
  progress.clear();
  expect(shown()).toBe('');
});

test('JSON is indented, and 20 lines of it are shown unless --full is set', async () => {
  const data = JSON.stringify({ items: Array.from({ length: 30 }, (_, index) => index) });
  const shownOf = async (full: boolean): Promise<string[]> => {
    const { sink, shown } = terminal({ hasColors: () => false });
    await printEvent(createOutput(sink), { ...event, data }, { asJson: false, full });
    return shown().trimEnd().split('\n').slice(2);
  };
  const cut = await shownOf(false);
  expect(cut).toHaveLength(21);
  expect(cut.slice(0, 3)).toEqual(['  {', '    "items": [', '      0,']);
  expect(cut.at(-1)).toBe('  … 14 more lines; use --full');
  const all = await shownOf(true);
  expect(all).toHaveLength(34);
  expect(JSON.parse(all.join('\n'))).toEqual(JSON.parse(data));
});

test('indentation does not change JSON', () => {
  fc.assert(
    fc.property(fc.json(), (text) => {
      const indented = indentedJson(text);
      if (indented === undefined) expect(text).not.toMatch(/^\s*[[{]/);
      else expect(JSON.parse(indented)).toEqual(JSON.parse(text));
    }),
  );
  expect(indentedJson('{"n":12345678901234567890,"n":1.0}')).toBe(
    '{\n  "n": 12345678901234567890,\n  "n": 1.0\n}',
  );
  expect(indentedJson('[ ]')).toBe('[]');
  expect(indentedJson('{"half": ')).toBeUndefined();
  expect(indentedJson('12')).toBeUndefined();
});
