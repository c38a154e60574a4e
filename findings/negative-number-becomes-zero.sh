#!/usr/bin/env bash
# @grpc/proto-loader 0.8.1: -1 in a field of type uint64 is sent as 0.
#
# A client made with proto-loader serializes a message with an `optional uint64` field from {value: -1}. Nothing is
# thrown, and the bytes contain the value 0. One would expect an error. With '-1', a string, the result is 2^64-1.
#
# Why it matters: other event stores use -1 for "any version" or "no stream". Here it would arrive as 0, "the stream
# must be empty".
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund --ignore-scripts @grpc/proto-loader@0.8.1
cat >demo.proto <<'PROTO'
syntax = "proto3";
package demo;
message Request { optional uint64 expected = 1; }
service Demo { rpc Call(Request) returns (Request); }
PROTO
cat >program.cjs <<'JS'
const { loadSync } = require('@grpc/proto-loader');
const { requestSerialize, requestDeserialize } = loadSync('demo.proto', { longs: String })['demo.Demo'].Call;
const arrivesAs = (expected) => requestDeserialize(requestSerialize({ expected })).expected;
const results = { 'number -1': arrivesAs(-1), "string '-1'": arrivesAs('-1') };
for (const [name, value] of Object.entries(results)) console.log(`${name} arrives as ${value}`);
process.exit(results['number -1'] === '0' ? 0 : 1);
JS
node program.cjs
