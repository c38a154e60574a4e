#!/usr/bin/env bash
# nats-server 2.15.3: an expectation on the message that only ends an atomic batch is not evaluated.
#
# An atomic batch can be ended by a message that is not stored itself (`Nats-Batch-Commit: eob`). If that message has
# a wrong `Nats-Expected-Last-Subject-Sequence`, the batch is stored anyway. On a message that is stored, the same
# header refuses the batch. One would expect a header to be either evaluated or refused as misplaced.
#
# Why it matters: the closing message of a batch cannot check that nobody wrote to another subject. A check needs a
# separate message that is stored.
NATS_SERVER=2.15.3 NATS_JS=2.29.3
source "$(dirname "$0")/with-nats.sh"
program <<'JS'
const { connect, headers } = require('nats');
(async () => {
  const connection = await connect({ servers: process.env.NATS_URL });
  const manager = await connection.jetstreamManager();
  await manager.streams.add({ name: 'LOG', subjects: ['log.>'], allow_atomic: true });
  await connection.request('log.checked', '', { timeout: 2000 });
  const send = async (subject, fields) => {
    const all = headers();
    for (const [name, value] of Object.entries(fields)) all.set(name, value);
    const { data } = await connection.request(subject, '', { headers: all, timeout: 2000 });
    return data.length === 0 ? {} : JSON.parse(new TextDecoder().decode(data));
  };
  const wrong = { 'Nats-Expected-Last-Subject-Sequence': '77' };
  const batch = async (id, commit) => {
    await send('log.one', { 'Nats-Batch-Id': id, 'Nats-Batch-Sequence': '1' });
    const answer = await send('log.checked', { 'Nats-Batch-Id': id, 'Nats-Batch-Sequence': '2', 'Nats-Batch-Commit': commit, ...wrong });
    return answer.error === undefined ? `stored, last sequence ${answer.seq}` : `refused (${answer.error.err_code})`;
  };
  const stored = await batch('a', '1');
  const eob = await batch('b', 'eob');
  console.log(`wrong expectation on a stored closing message: ${stored}`);
  console.log(`wrong expectation on a closing message that is not stored: ${eob}`);
  await connection.close();
  if (!stored.startsWith('refused') || !eob.startsWith('stored')) process.exit(1);
})();
JS
