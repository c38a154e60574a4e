import { Metadata, setLogger } from '@grpc/grpc-js';
import pino from 'pino';
import { logLibrary } from '../../src/grpc/library-log';

/** grpc-js writes what it leaves out of metadata to stderr, with its value. */

afterAll(() => {
  setLogger(console);
});

test('a header that cannot be metadata is logged without its value, for debugging', () => {
  const lines: string[] = [];
  logLibrary(pino({ level: 'debug' }, { write: (line) => lines.push(line) }));
  const metadata = Metadata.fromHttp2Headers({ authorization: 'Bearer sécret', traceparent: '00' });
  expect(metadata.getMap()).toEqual({ traceparent: '00' });
  expect(lines.map((line) => JSON.parse(line) as unknown)).toEqual([
    expect.objectContaining({
      level: 20,
      library: 'grpc-js',
      msg: 'Failed to add metadata entry authorization',
    }),
  ]);
  expect(lines.join('')).not.toContain('cret');
});
