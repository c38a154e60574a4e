#!/usr/bin/env bash
# nats-server 2.15.3: a restore of a stream (`nats stream restore`) that is interrupted leaves the part that has arrived as a stream.
#
# Expected: after 5 seconds without a chunk the server gives the restore up, and there is no stream.
# Observed: the stream exists from the first messages on, is served while it is being restored, and stays when the restore has failed:
# with a part of its messages, the whole configuration and nothing that marks it. It takes messages, at sequences that the rest had.
# Matters to Sluice: a gateway would serve half a store, and give versions again. `sluice restore` restores in quarantine: with another
# subject and a mark in the metadata, which gateways do not serve, and edits the stream when the store was compared with the backup.
# Verified 2026-11-29 with nats-server 2.15.3.
NATS_SERVER=2.15.3 NATS_JS=2.29.3
source "$(dirname "$0")/with-nats.sh"
program <<'PROGRAM'
const { connect } = require('nats');
const { randomBytes } = require('node:crypto');
const { setTimeout: sleep } = require('node:timers/promises');
(async () => {
  const connection = await connect({ servers: process.env.NATS_URL });
  const { streams } = await connection.jetstreamManager();
  const config = { name: 'LOG', subjects: ['log.*'] };
  await streams.add(config);
  for (let i = 0; i < 8000; i++) connection.publish('log.a', randomBytes(1000));
  await connection.request('log.a', '');
  const chunks = [];
  const ended = new Promise((resolve) => {
    connection.subscribe('_INBOX.snapshot', {
      callback: (_, message) => {
        if (message.data.length === 0) resolve();
        else chunks.push(Buffer.from(message.data));
        if (message.reply) message.respond();
      },
    });
  });
  const request = JSON.stringify({ deliver_subject: '_INBOX.snapshot', no_consumers: true });
  const { state } = (await connection.request('$JS.API.STREAM.SNAPSHOT.LOG', request, { timeout: 10000 })).json();
  await ended;
  await streams.delete('LOG');
  const restore = JSON.stringify({ config, state });
  const { deliver_subject: subject } = (await connection.request('$JS.API.STREAM.RESTORE.LOG', restore)).json();
  for (const chunk of chunks.slice(0, chunks.length / 2)) await connection.request(subject, chunk, { timeout: 10000 });
  await sleep(8000); // the client is gone
  const left = (await streams.info('LOG').catch(() => undefined))?.state.messages ?? 0;
  const reply = left === 0 ? undefined : (await connection.request('log.a', 'new')).json();
  console.log(`${left} of ${state.messages} messages are left; a new message gets sequence ${reply?.seq}`);
  await connection.close();
  process.exitCode = left > 0 && left < state.messages && reply.seq === left + 1 ? 0 : 1;
})();
PROGRAM
