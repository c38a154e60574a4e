#!/usr/bin/env bash
# @grpc/grpc-js 1.14.7: the HTML page that a proxy sends is sometimes read as a message: RESOURCE_EXHAUSTED, not UNAVAILABLE.
#
# HAProxy 2.6.12 (Debian 12, package haproxy 2.6.12-1+deb12u4) without a server for a call replies 503 with an HTML
# page. When 160 calls are made at once over TLS, most end as UNAVAILABLE, "Received HTTP status code 503", but some
# as RESOURCE_EXHAUSTED, "Received message larger than max (1752460652 vs ...)": that number is "html", read as the
# length of a message. With an empty body, all end as UNAVAILABLE. One would expect the HTTP status alone to decide.
#
# Why it matters: a server uses RESOURCE_EXHAUSTED when it has done nothing. After a 504, where the server may have
# done the call, a client would conclude that it was not done. So a proxy in front of a gateway must not send such a
# page: docs/operations/proxies.md.
#
# Needs haproxy and openssl on the PATH.
set -euo pipefail
work=$(mktemp -d)
haproxy=
trap '[ -z "$haproxy" ] || kill "$haproxy"; rm -rf "$work"' EXIT
cd "$work"
haproxy -v | sed -n 1p
npm init -y >/dev/null
npm install --silent --no-audit --no-fund --ignore-scripts @grpc/grpc-js@1.14.7
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost \
  -addext subjectAltName=DNS:localhost -keyout tls.key -out tls.crt 2>/dev/null
cat tls.crt tls.key >tls.pem
printf '%s\r\n' 'HTTP/1.1 503 Service Unavailable' 'content-length: 0' '' >empty.http
read -r page empty < <(node -e '
  const servers = [1, 2].map(() => require("node:net").createServer().listen(0, "127.0.0.1"));
  setTimeout(() => { console.log(...servers.map((server) => server.address().port)); process.exit(); }, 200);')
cat >haproxy.cfg <<CFG
global
  tune.h2.max-concurrent-streams 1000
defaults
  mode http
  timeout connect 1s
  timeout client 10s
  timeout server 10s
frontend page
  bind 127.0.0.1:$page ssl crt $work/tls.pem alpn h2
  default_backend none
frontend empty
  bind 127.0.0.1:$empty ssl crt $work/tls.pem alpn h2
  errorfile 503 $work/empty.http
  default_backend none
backend none
CFG
haproxy -f haproxy.cfg &
haproxy=$!
sleep 1
cat >program.cjs <<'JS'
const { Client, credentials, status } = require('@grpc/grpc-js');
const bytes = (value) => value;
async function statuses(port) {
  const client = new Client(`localhost:${port}`, credentials.createSsl(require('node:fs').readFileSync('tls.crt')));
  const call = () =>
    new Promise((resolve) => client.makeUnaryRequest('/demo.Demo/Ask', bytes, bytes, Buffer.alloc(20), resolve));
  const seen = {};
  for (const { code, details } of await Promise.all(Array.from({ length: 160 }, call))) {
    const text = `${status[code]}: ${details}`;
    seen[text] = (seen[text] ?? 0) + 1;
  }
  client.close();
  return seen;
}
const exhausted = (seen) => Object.keys(seen).some((text) => text.startsWith('RESOURCE_EXHAUSTED'));
(async () => {
  const [page, empty] = [await statuses(process.argv[2]), await statuses(process.argv[3])];
  console.log('with a page:', page);
  console.log('with an empty body:', empty);
  process.exit(exhausted(page) && !exhausted(empty) ? 0 : 1);
})();
JS
node program.cjs "$page" "$empty"
