/**
 * Loaded before main.js (`node --require`), it puts an index writer that writes nothing, and a memory of keys for it that
 * keeps nothing, into the places of the real ones: the gateway has no setting for that, and everything else shall be the
 * same.
 */
/* eslint-disable @typescript-eslint/no-require-imports -- an import would be a copy */
import type { IndexWriter } from '../src/jetstream/index-writer';
import type { RecentKeys } from '../src/jetstream/recent-keys';
import indexWriter = require('../src/jetstream/index-writer');
import recentKeys = require('../src/jetstream/recent-keys');

const idleWriter: IndexWriter = { position: 0n, close: () => Promise.resolve() };
const noKeys: RecentKeys = {
  add: () => undefined,
  forget: () => undefined,
  clear: () => undefined,
  positions: function* () {},
  known: () => [],
  gaps: (stretch) => [stretch],
};
Object.assign(indexWriter, { startIndexWriter: () => idleWriter });
Object.assign(recentKeys, { createRecentKeys: () => noKeys });
