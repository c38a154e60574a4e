#!/usr/bin/env bash
# @grpc/grpc-js 1.14.7: when a server connection reaches its maximum age, open streams end as INTERNAL, not UNAVAILABLE.
#
# A server with `grpc.max_connection_age_ms` and `grpc.max_connection_age_grace_ms` sends GOAWAY at that age and
# closes the connection after the grace period. Streams that are open then end at the client with the status INTERNAL,
# "Received RST_STREAM with code ..."; the script counts them. One would expect UNAVAILABLE for each, the status that
# clients retry, as for any other connection that ends.
#
# Why it matters: a subscriber behind a server with a maximum connection age must treat INTERNAL like UNAVAILABLE and
# resume.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund --ignore-scripts @grpc/grpc-js@1.14.7
cat >program.cjs <<'JS'
const { Server, Client, ServerCredentials, credentials, status } = require('@grpc/grpc-js');
const bytes = { serialize: (value) => value, deserialize: (value) => value };
const method = { path: '/demo.Demo/Follow', requestStream: false, responseStream: true };
const both = { requestSerialize: bytes.serialize, requestDeserialize: bytes.deserialize, responseSerialize: bytes.serialize, responseDeserialize: bytes.deserialize };
const server = new Server({ 'grpc.max_connection_age_ms': 1000, 'grpc.max_connection_age_grace_ms': 1000 });
server.addService({ follow: { ...method, ...both, originalName: 'follow' } }, { follow: (call) => call.write(Buffer.from('x')) });
server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), async (error, port) => {
  if (error) throw error;
  const client = new Client(`127.0.0.1:${port}`, credentials.createInsecure());
  const follow = () => new Promise((resolve) => {
    const call = client.makeServerStreamRequest(method.path, bytes.serialize, bytes.deserialize, Buffer.alloc(0));
    call.on('data', () => undefined);
    call.on('error', (failure) => resolve(failure));
  });
  const ends = await Promise.all(Array.from({ length: 5 }, follow));
  for (const { code, details } of ends) console.log(`${status[code]}: ${details}`);
  const internal = ends.filter(({ code }) => code === status.INTERNAL).length;
  console.log(`${internal} of ${ends.length} streams end as INTERNAL`);
  client.close();
  server.forceShutdown();
  process.exit(internal > 0 ? 0 : 1);
});
JS
node program.cjs
