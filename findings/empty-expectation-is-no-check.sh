#!/usr/bin/env bash
# nats-server 2.15.3: an expectation header with an empty value is not checked.
#
# A publish with `Nats-Expected-Last-Subject-Sequence:` and nothing after the colon is stored, whatever the subject
# holds. One would expect a refusal (a malformed number), as for a word instead of a number.
#
# Why it matters: a writer that makes the header from a missing value (an empty string instead of 0) writes without a
# check and gets no error.
NATS_SERVER=2.15.3 NATS_JS=2.29.3
source "$(dirname "$0")/with-nats.sh"
program <<'JS'
const { connect, headers, MsgHdrsImpl } = require('nats');
(async () => {
  const connection = await connect({ servers: process.env.NATS_URL });
  const manager = await connection.jetstreamManager();
  await manager.streams.add({ name: 'LOG', subjects: ['log.>'] });
  const publish = async (expected) => {
    const fields = headers();
    if (expected !== undefined) fields.set('Nats-Expected-Last-Subject-Sequence', expected);
    const answer = await connection.request('log.a', '', { headers: fields, timeout: 2000 });
    const { seq, error } = answer.json();
    return error === undefined ? `stored as ${seq}` : `refused (${error.err_code})`;
  };
  const results = [await publish(undefined), await publish('0'), await publish('x'), await publish('')];
  for (const [index, name] of ['no header', '0', 'x', 'empty'].entries()) console.log(`${name}: ${results[index]}`);
  await connection.close();
  const [, zero, , empty] = results;
  if (!zero.startsWith('refused') || !empty.startsWith('stored')) process.exit(1);
})();
JS
