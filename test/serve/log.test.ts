import { openLog } from '../../src/serve/log';

test('another level holds for the loggers that were made of the log, and of those', () => {
  const log = openLog('silent');
  const child = log.child({ worker: 1 });
  const grandchild = child.child({ authFile: 'auth.json' });
  log.level = 'fatal';
  expect([child.level, grandchild.level]).toEqual(['fatal', 'fatal']);
  log.level = 'silent';
  expect([child.level, grandchild.level]).toEqual(['silent', 'silent']);
});
