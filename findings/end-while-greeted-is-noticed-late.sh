#!/usr/bin/env bash
# nats 2.29.3 (npm): a connection that ends during the handshake of a reconnect is noticed only when the attempt times out.
#
# A client loses its connection and reconnects. The server (or a proxy in front of it) accepts the new connection,
# sends INFO, and closes it when CONNECT arrives, as a server does that is stopping or full. The client knows that the
# socket is closed, because it reports another disconnect, but keeps waiting for the reply to its first PING until
# `timeout` (20 s by default) and only then tries again. One would expect it to try again after `reconnectTimeWait`,
# as it does when a connection is refused.
#
# Why it matters: a store that is back at once is unreachable for 20 s, or for the configured timeout, each time that
# this happens.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund --ignore-scripts nats@2.29.3
cat >program.cjs <<'JS'
const { createServer } = require('node:net');
const { connect } = require('nats');
const timeout = 3000;
const wait = 100;
let connections = 0;
let endedAt;
let first;
let disconnects = 0;
const done = (ms) => {
  console.log(`the client came back ${ms} ms after its connection was ended (timeout ${timeout} ms, reconnectTimeWait ${wait} ms); it told of ${disconnects} disconnects`);
  process.exit(ms > timeout - 500 && disconnects === 2 ? 0 : 1);
};
const server = createServer((socket) => {
  const number = ++connections;
  socket.on('error', () => undefined);
  if (number === 3) done(Math.round(performance.now() - endedAt));
  if (number === 1) first = socket;
  socket.write(`INFO {"server_id":"A","version":"2.15.3","proto":1,"headers":true,"max_payload":1048576}\r\n`);
  socket.on('data', (bytes) => {
    if (number === 2) {
      endedAt = performance.now();
      socket.destroy();
    } else if (bytes.includes('PING')) socket.write('PONG\r\n');
  });
}).listen(0, '127.0.0.1', async () => {
  const connection = await connect({ servers: `127.0.0.1:${server.address().port}`, timeout, reconnectTimeWait: wait, maxReconnectAttempts: -1 });
  first.destroy();
  for await (const { type } of connection.status()) if (type === 'disconnect') disconnects++;
});
JS
node program.cjs
