#!/usr/bin/env bash
# nats-server 2.15.3: on one server, each atomic batch to a stream of files costs as much as dozens of single messages.
#
# Two messages are published as an atomic batch, or one after another, each awaited. On a stream with memory storage a batch takes
# about as long as the two messages. On a stream with file storage and one replica it takes tens of times as long, of 2 messages
# as of 16: the server makes a store of files for each open batch and removes it afterwards (with more replicas, batches wait in memory).
# One would expect that a batch is the faster way, and that it costs least where there is only one server.
#
# Why it matters: putting waiting appends into one batch, to share one check of the end of the log, makes a gateway slower, not faster.
NATS_SERVER=2.15.3 NATS_JS=2.29.3
source "$(dirname "$0")/with-nats.sh"
program <<'JS'
const { connect, headers } = require('nats');
(async () => {
  const connection = await connect({ servers: process.env.NATS_URL });
  const manager = await connection.jetstreamManager();
  await manager.streams.add({ name: 'FILE', subjects: ['file.>'], storage: 'file', allow_atomic: true });
  await manager.streams.add({ name: 'MEMORY', subjects: ['memory.>'], storage: 'memory', allow_atomic: true });
  const body = Buffer.alloc(200);
  const send = async (subject, given) => {
    const answer = await connection.request(subject, body, { headers: given, timeout: 5000 });
    const { error } = answer.json();
    if (error !== undefined) throw new Error(error.description);
  };
  let batches = 0;
  const batch = (subject, size) => {
    const id = `batch-${batches++}`;
    for (let sequence = 1; ; sequence++) {
      const given = headers();
      given.set('Nats-Batch-Id', id);
      given.set('Nats-Batch-Sequence', `${sequence}`);
      if (sequence === size) {
        given.set('Nats-Batch-Commit', '1');
        return send(subject, given);
      }
      connection.publish(subject, body, { headers: given });
    }
  };
  const singles = async (subject, size) => {
    for (let sent = 0; sent < size; sent++) await send(subject, undefined);
  };
  const median = async (work) => {
    const times = [];
    for (let round = 0; round < 60; round++) {
      const begin = performance.now();
      await work();
      times.push(performance.now() - begin);
    }
    return times.sort((one, other) => one - other)[30];
  };
  const ratios = {};
  for (const storage of ['memory', 'file'])
    for (const size of [2, 16]) {
      const one = await median(() => singles(`${storage}.a`, size));
      const other = await median(() => batch(`${storage}.a`, size));
      ratios[`${storage} ${size}`] = other / one;
      console.log(`${storage}: ${size} messages one after another ${one.toFixed(2)} ms, as a batch ${other.toFixed(2)} ms`);
    }
  await connection.close();
  if (ratios['memory 2'] > 4 || ratios['file 2'] < 5) process.exit(1);
})();
JS
