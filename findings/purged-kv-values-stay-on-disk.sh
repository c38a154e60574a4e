#!/usr/bin/env bash
# nats-server 2.15.3: a key-value entry that was purged, or replaced with a history of 1, is still in the files of the server.
#
# Two entries of a bucket with a history of 1: one is purged, the other is put again with another value. No client gets the
# old values any more, and both are still in the block file of the bucket, in plain text. When instead the message of the old
# value is deleted by its sequence, which the server does with overwriting by default, it is gone from the files at once.
#
# One would expect a purge, which is said to remove all values of a key, to remove them at least as thoroughly as a delete of
# the message does; and a history of 1 to keep nothing else.
#
# Why it matters: who puts keys or personal data into a bucket to be able to destroy them must delete messages. The key
# bucket of Sluice has a history of 2 and does so.
NATS_SERVER=2.15.3 NATS_JS=2.29.3
source "$(dirname "$0")/with-nats.sh"
export STORE="$work/store"
program <<'JS'
const { readFileSync, readdirSync, statSync } = require('node:fs');
const { join } = require('node:path');
const { connect } = require('nats');
const filesOf = (folder) =>
  readdirSync(folder, { recursive: true })
    .map((name) => join(folder, String(name)))
    .filter((path) => statSync(path).isFile());
const isOnDisk = (text) => filesOf(process.env.STORE).some((path) => readFileSync(path).includes(text));
const pause = () => new Promise((resolve) => setTimeout(resolve, 2_000));
(async () => {
  const connection = await connect({ servers: process.env.NATS_URL });
  const manager = await connection.jetstreamManager();
  const bucket = await connection.jetstream().views.kv('plain', { history: 1 });
  await bucket.put('a', 'value-that-is-purged');
  await bucket.put('b', 'value-that-is-replaced');
  await manager.streams.add({ name: 'OTHER', subjects: ['other'] });
  const { seq } = await connection.jetstream().publish('other', 'value-that-is-deleted');
  await pause();
  await bucket.purge('a');
  await bucket.put('b', 'another');
  await manager.streams.deleteMessage('OTHER', seq);
  await pause();
  const gone = (await bucket.get('a'))?.operation === 'PURGE' && (await bucket.get('b')).string() === 'another';
  const found = ['purged', 'replaced', 'deleted'].map((what) => [what, isOnDisk(`value-that-is-${what}`)]);
  console.log(`clients see neither: ${gone}; on the disk: ${found.map(([what, is]) => `${what} ${is}`).join(', ')}`);
  await connection.close();
  if (!gone || JSON.stringify(found.map(([, is]) => is)) !== '[true,true,false]') process.exit(1);
})();
JS
