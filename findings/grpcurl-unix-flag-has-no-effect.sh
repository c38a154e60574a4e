#!/usr/bin/env bash
# grpcurl 1.9.3: -unix has no effect. "grpcurl -unix -plaintext /path/to/socket ..." does not reach the socket, and
# "grpcurl -plaintext unix:/path/to/socket ..." does, without the flag.
#
# From its help ("the server address is the path to a Unix domain socket") one would expect the first to work.
#
# Why it matters: a gateway with --listen unix:/path is called by the address unix:/path, with grpcurl as with every
# other client; the flag that looks made for it fails with a message that does not name the reason.
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
message Request { string text = 1; }
service Demo { rpc Echo(Request) returns (Request); }
PROTO
cat >server.cjs <<'JS'
const { loadPackageDefinition, Server, ServerCredentials } = require('@grpc/grpc-js');
const { demo } = loadPackageDefinition(require('@grpc/proto-loader').loadSync('demo.proto'));
const server = new Server();
server.addService(demo.Demo.service, { echo: ({ request }, callback) => callback(null, request) });
server.bindAsync(`unix:${process.cwd()}/socket`, ServerCredentials.createInsecure(), (error) => {
  if (error) throw error;
});
JS
node server.cjs &
server=$!
for _ in $(seq 100); do [[ -S socket ]] && break; sleep 0.1; done
call() { ./grpcurl -max-time 5 -import-path . -proto demo.proto -d '{"text": "hello"}' "$@" demo.Demo/Echo 2>&1; }
echo "-unix and a path:"
flagged=$(call -unix -plaintext "$work/socket") && code=0 || code=$?
echo "$flagged"
echo "exit code $code"
echo "unix: and a path, without the flag:"
plain=$(call -plaintext "unix:$work/socket")
echo "$plain"
[[ $code != 0 ]] && grep -q '"text": "hello"' <<<"$plain"
