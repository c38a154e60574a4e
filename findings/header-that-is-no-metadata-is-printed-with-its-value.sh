#!/usr/bin/env bash
# @grpc/grpc-js 1.14.7: a server prints the values of headers that gRPC metadata cannot have.
#
# A header of HTTP/2 may have bytes above 127, for instance the name of a user that a proxy adds; metadata of gRPC may not. The server
# leaves such a header out, serves the call, and writes a line with the whole value to stderr, whatever the header: by default, for each
# call, and also for `authorization`. One would expect that it is left out without a word, or that only its name is written, since any
# caller can fill the log with it, and values of headers are credentials and personal data.
#
# Why it matters: Sluice promises that no token gets into its log. It gives grpc-js a logger of its own (`setLogger`) that drops the
# value, and keeps the line for debugging.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund --ignore-scripts @grpc/grpc-js@1.14.7
cat >program.cjs <<'JS'
const { connect } = require('node:http2');
const { Server, ServerCredentials } = require('@grpc/grpc-js');
const plain = { requestStream: false, responseStream: false, requestSerialize: (b) => b, requestDeserialize: (b) => b };
const method = { ...plain, path: '/echo/Call', responseSerialize: (b) => b, responseDeserialize: (b) => b };
const printed = [];
console.error = (line) => printed.push(line);
const server = new Server();
server.addService({ call: method }, { call: ({ metadata }, done) => done(null, Buffer.from(JSON.stringify(metadata.getMap()))) });
server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), async (_error, port) => {
  const session = connect(`http://127.0.0.1:${port}`);
  const stream = session.request({
    ':method': 'POST',
    ':path': method.path,
    'content-type': 'application/grpc',
    te: 'trailers',
    'x-user': 'J\u00fcrgen',
    'x-other': 'plain',
  });
  let body = Buffer.alloc(0);
  let status;
  stream.on('data', (chunk) => (body = Buffer.concat([body, chunk])));
  stream.on('trailers', (trailers) => (status = trailers['grpc-status']));
  stream.end(Buffer.from([0, 0, 0, 0, 0]));
  await new Promise((resolve) => stream.on('end', resolve));
  const metadata = JSON.parse(body.subarray(5).toString());
  console.log(`grpc-status ${status}; x-other in the metadata: ${'x-other' in metadata}, x-user: ${'x-user' in metadata}`);
  console.log(`lines on stderr: ${printed.length}, with the value: ${printed.filter((line) => line.includes('J\u00fcrgen')).length}`);
  const isAsSeen = status === '0' && 'x-other' in metadata && !('x-user' in metadata) && printed.length === 1 && printed[0].includes('J\u00fcrgen');
  process.exit(isAsSeen ? 0 : 1);
});
JS
node program.cjs
