#!/usr/bin/env bash
# nats-server 2.15.3: a fast-ingest batch drops messages with a known id, and its final count includes them.
#
# A batch of three messages is published by fast ingest; the stream already has the `Nats-Msg-Id` of the second. The
# reply to the commit has `count` 3 and does not mention a duplicate; two messages were stored. One would expect
# `count` to be what was stored, or `duplicate` to be set, as in the reply to a single publish. (An atomic batch with
# such an id is refused as a whole.)
#
# Why it matters: a writer that computes the versions of events from the count of a batch assigns numbers to events
# that do not exist.
NATS_SERVER=2.15.3 NATS_JS=2.29.3
source "$(dirname "$0")/with-nats.sh"
program <<'JS'
const { connect, headers, createInbox } = require('nats');
const { setTimeout: sleep } = require('node:timers/promises');
(async () => {
  const connection = await connect({ servers: process.env.NATS_URL });
  const manager = await connection.jetstreamManager();
  await manager.streams.add({ name: 'LOG', subjects: ['log.>'], allow_batched: true, allow_atomic: true });
  const withId = (id) => {
    const all = headers();
    all.set('Nats-Msg-Id', id);
    return all;
  };
  await connection.request('log.a', 'stored before', { headers: withId('known'), timeout: 2000 });
  const inbox = createInbox();
  const answers = [];
  connection.subscribe(`${inbox}.>`, { callback: (_, message) => answers.push(message.string()) });
  const [start, append, commit] = [0, 1, 2];
  const send = (sequence, operation, id) => {
    const reply = `${inbox}.batch.10.fail.${sequence}.${operation}.$FI`;
    connection.publish('log.a', `${sequence}`, { headers: withId(id), reply });
  };
  send(1, start, 'new-1');
  send(2, append, 'known');
  send(3, commit, 'new-3');
  await connection.flush();
  for (let i = 0; i < 50 && !answers.some((answer) => answer.includes('"count"')); i++) await sleep(100);
  const { state } = await manager.streams.info('LOG');
  for (const answer of answers) console.log(`answer: ${answer}`);
  console.log(`messages stored: ${state.messages}, one of them before the batch of three`);
  await connection.close();
  const { count, duplicate, error } = JSON.parse(answers.find((answer) => answer.includes('"count"')) ?? '{}');
  if (count !== 3 || duplicate === true || error !== undefined || state.messages !== 3) process.exit(1);
})();
JS
