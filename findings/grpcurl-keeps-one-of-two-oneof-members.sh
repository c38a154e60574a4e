#!/usr/bin/env bash
# grpcurl 1.9.3: of two members of a oneof in its JSON it keeps the last one, without an error.
#
# A request with {"binary": "AQ==", "text": "hello"}, where both are members of one oneof, is sent with one of the
# two. The JSON mapping of protobuf calls that an error, and buf curl refuses it.
#
# Why it matters: an event written by hand with both payloads silently loses one of them; an example must have only
# one.
set -euo pipefail
work=$(mktemp -d)
server=
trap '[[ -z $server ]] || { kill "$server" 2>/dev/null || true; }; rm -rf "$work"' EXIT
cd "$work"
GOBIN="$work" go install github.com/fullstorydev/grpcurl/cmd/grpcurl@v1.9.3
npm init -y >/dev/null
npm install --silent --no-audit --no-fund --ignore-scripts @grpc/proto-loader@0.8.1 @grpc/grpc-js@1.14.7
cat >demo.proto <<'PROTO'
syntax = "proto3";
package demo;
message Request { oneof payload { bytes binary = 1; string text = 2; } }
service Demo { rpc Echo(Request) returns (Request); }
PROTO
cat >server.cjs <<'JS'
const { loadPackageDefinition, Server, ServerCredentials } = require('@grpc/grpc-js');
const { demo } = loadPackageDefinition(require('@grpc/proto-loader').loadSync('demo.proto'));
const server = new Server();
server.addService(demo.Demo.service, { echo: ({ request }, callback) => callback(null, request) });
server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, port) => {
  if (error) throw error;
  require('node:fs').writeFileSync('port', `${port}`);
});
JS
node server.cjs &
server=$!
for _ in $(seq 100); do [[ -s port ]] && break; sleep 0.1; done
echoed=$(./grpcurl -plaintext -import-path . -proto demo.proto -d '{"binary": "AQ==", "text": "hello"}' \
  "127.0.0.1:$(cat port)" demo.Demo/Echo)
echo "$echoed"
grep -q '"text": "hello"' <<<"$echoed" && ! grep -q binary <<<"$echoed"
