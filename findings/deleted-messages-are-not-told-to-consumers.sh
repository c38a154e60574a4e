#!/usr/bin/env bash
# nats-server 2.15.3: a consumer is not told that messages were deleted, purged, or have expired.
#
# A consumer with `deliver_policy: last_per_subject` has delivered the last message of two subjects, and waits for more. One
# of the messages is deleted, then the stream is purged. The consumer delivers nothing, and its number of pending messages
# stays 0. With `subject_delete_marker_ttl` the server writes a marker when a message expires, but none when somebody
# deletes one.
#
# Why it matters: a copy that follows a stream, as a key-value watcher does, has records for ever that the stream has no
# longer. Sluice compares its copy with the first sequence and the subjects of the stream.
NATS_SERVER=2.15.3 NATS_JS=2.29.3
source "$(dirname "$0")/with-nats.sh"
program <<'JS'
const { connect } = require('nats');
(async () => {
  const connection = await connect({ servers: process.env.NATS_URL });
  const manager = await connection.jetstreamManager();
  const stream = connection.jetstream();
  const markers = { allow_msg_ttl: true, allow_rollup_hdrs: true, subject_delete_marker_ttl: 60e9 };
  await manager.streams.add({ name: 'STATE', subjects: ['state.>'], max_msgs_per_subject: 1, ...markers });
  const { seq } = await stream.publish('state.a', 'a');
  await stream.publish('state.b', 'b');
  const consumer = { name: 'c', deliver_policy: 'last_per_subject', filter_subject: 'state.>', ack_policy: 'none' };
  await manager.consumers.add('STATE', consumer);
  const pull = await stream.consumers.get('STATE', 'c');
  let received = 0;
  const messages = await pull.consume({ callback: () => received++ });
  const pause = () => new Promise((resolve) => setTimeout(resolve, 1_000));
  await pause();
  const before = received;
  await manager.streams.deleteMessage('STATE', seq);
  await pause();
  await manager.streams.purge('STATE');
  await pause();
  const { num_pending } = await manager.consumers.info('STATE', 'c');
  console.log(`delivered before: ${before}; after a delete and a purge: ${received - before}, pending: ${num_pending}`);
  await messages.close();
  await connection.close();
  if (before !== 2 || received !== before || num_pending !== 0) process.exit(1);
})();
JS
