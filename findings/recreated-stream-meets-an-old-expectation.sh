#!/usr/bin/env bash
# nats-server 2.15.3: a stream that is deleted and created again meets expectations about the stream before it.
#
# A client reads the last message of a subject, at sequence 1. Somebody deletes the stream, another client creates it again
# and publishes on the subject, at sequence 1 as well. The first client publishes with
# `Nats-Expected-Last-Subject-Sequence: 1` and `Nats-Expected-Stream`, and replaces a message that it has never seen. One
# would expect a refusal, or a header for which stream of that name is meant: `created` in its information differs.
# With another `first_seq` at its creation, the sequences differ and the message is refused.
#
# Why it matters: records that are changed by compare-and-set are not safe from that. Sluice lets the stream of its records
# begin at the microseconds since 1970, so that a sequence never comes twice.
NATS_SERVER=2.15.3 NATS_JS=2.29.3
source "$(dirname "$0")/with-nats.sh"
program <<'JS'
const { connect, headers } = require('nats');
(async () => {
  const connection = await connect({ servers: process.env.NATS_URL });
  const manager = await connection.jetstreamManager();
  const stream = connection.jetstream();
  const config = { name: 'STATE', subjects: ['state.>'], max_msgs_per_subject: 1 };
  const attempt = async (first_seq) => {
    await manager.streams.add(config);
    const { seq } = await stream.publish('state.a', 'what the client has seen');
    await manager.streams.delete('STATE');
    await manager.streams.add({ ...config, first_seq });
    await stream.publish('state.a', 'what it has not seen');
    const expectation = headers();
    expectation.set('Nats-Expected-Stream', 'STATE');
    expectation.set('Nats-Expected-Last-Subject-Sequence', String(seq));
    const outcome = await stream.publish('state.a', 'mine', { headers: expectation }).then(
      () => 'accepted',
      (error) => error.message,
    );
    await manager.streams.delete('STATE');
    return outcome;
  };
  const [plain, shifted] = [await attempt(undefined), await attempt(1_000)];
  console.log(`created again as before: ${plain}; with first_seq 1000: ${shifted}`);
  await connection.close();
  if (plain !== 'accepted' || shifted === 'accepted') process.exit(1);
})();
JS
