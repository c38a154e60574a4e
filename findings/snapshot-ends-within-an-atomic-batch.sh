#!/usr/bin/env bash
# nats-server 2.15.3: a snapshot of a stream (what `nats stream backup` takes) can end within an atomic batch that is being stored.
#
# Expected: a batch is stored as a whole or not at all, also in a backup.
# Observed: of 60 snapshots while three publishers store batches of 50 messages, some end with a message that is not the last one of
# its batch. The state in the reply to the request says where a snapshot ends.
# Matters to Sluice: restored, such a log has half a transaction, whose streams nobody can read to the end or append to. `sluice
# backup` looks at the message where a snapshot ends, and requests another snapshot if its batch goes on.
# Verified 2026-11-29 with nats-server 2.15.3.
NATS_SERVER=2.15.3 NATS_JS=2.29.3
source "$(dirname "$0")/with-nats.sh"
program <<'PROGRAM'
const { connect, headers } = require('nats');
const size = 50;
(async () => {
  const connection = await connect({ servers: process.env.NATS_URL });
  const { streams } = await connection.jetstreamManager();
  await streams.add({ name: 'LOG', subjects: ['log.*'], allow_atomic: true });
  let stop = false;
  const publishBatches = async (subject) => {
    for (let batch = 0; !stop; batch++) {
      for (let i = 1; i <= size; i++) {
        const fields = headers();
        fields.set('Nats-Batch-Id', `${subject}-${batch}`);
        fields.set('Nats-Batch-Sequence', String(i));
        fields.set('Number', String(i));
        if (i < size) connection.publish(subject, Buffer.alloc(1000), { headers: fields });
        else {
          fields.set('Nats-Batch-Commit', '1');
          await connection.request(subject, Buffer.alloc(1000), { headers: fields, timeout: 10000 });
        }
      }
    }
  };
  const publishing = ['log.a', 'log.b', 'log.c'].map(publishBatches);
  let within = 0;
  for (let i = 0; i < 60; i++) {
    const inbox = `_INBOX.snapshot.${i}`;
    const ended = new Promise((resolve) => {
      connection.subscribe(inbox, {
        callback: (_, message) => {
          if (message.data.length === 0) resolve();
          else if (message.reply) message.respond();
        },
      });
    });
    const request = JSON.stringify({ deliver_subject: inbox, no_consumers: true });
    const reply = await connection.request('$JS.API.STREAM.SNAPSHOT.LOG', request, { timeout: 10000 });
    const { state } = reply.json();
    await ended;
    if (state.last_seq === 0) continue;
    const last = await streams.getMessage('LOG', { seq: state.last_seq });
    if (last.header.get('Number') !== String(size)) within++;
  }
  stop = true;
  await Promise.all(publishing);
  console.log(`${within} of 60 snapshots end within a batch`);
  await connection.close();
  process.exitCode = within > 0 ? 0 : 1;
})();
PROGRAM
