#!/usr/bin/env bash
# nats-server 2.15.3: a limit on messages per subject removes messages of a stream that denies deletes.
#
# A stream has `discard: new`, `deny_delete` and `deny_purge`, and then gets `max_msgs_per_subject: 2`. A third
# message on a subject is accepted, and the first one is gone. One would expect a refusal: `discard: new` refuses for
# every other limit, and the two denies say that nothing can be removed. (Another setting, `discard_new_per_subject`,
# requests the refusal.)
#
# Why it matters: the denies do not protect a log whose messages must never be removed. Sluice must watch the limit
# itself, and check that the first version of a stream is 1.
NATS_SERVER=2.15.3 NATS_JS=2.29.3
source "$(dirname "$0")/with-nats.sh"
program <<'JS'
const { connect } = require('nats');
(async () => {
  const connection = await connect({ servers: process.env.NATS_URL });
  const manager = await connection.jetstreamManager();
  const stream = connection.jetstream();
  const config = { name: 'LOG', subjects: ['log.>'], discard: 'new', deny_delete: true, deny_purge: true };
  await manager.streams.add({ ...config, max_msgs_per_subject: 2 });
  const sequences = [];
  for (let i = 0; i < 3; i++) sequences.push((await stream.publish('log.a')).seq);
  const { state } = await manager.streams.info('LOG');
  console.log(`accepted: ${sequences.join(', ')}; stored: ${state.messages}, first sequence ${state.first_seq}`);
  const deleted = await manager.streams.deleteMessage('LOG', 2).then(() => 'done', (error) => error.message);
  console.log(`delete by hand: ${deleted}`);
  await connection.close();
  if (sequences.length !== 3 || state.messages !== 2 || state.first_seq !== 2 || deleted === 'done') process.exit(1);
})();
JS
