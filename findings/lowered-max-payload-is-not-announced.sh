#!/usr/bin/env bash
# nats-server 2.15.3: a max_payload that is lowered by a reload is not announced to open connections.
#
# The server starts with `max_payload: 1MB`, a client connects, and a reload lowers it to 64 KB. The client gets no
# message and keeps the old number, and its next message of 200 KB ends the connection ("maximum payload violation"),
# with everything that was under way on it. One would expect an INFO message to the client, as for other changes of
# the server, or a limit that applies to new connections only.
#
# Why it matters: a gateway cannot trust the limit that it read when it connected. A message that is too large breaks
# the requests of all other callers of that connection.
NATS_SERVER=2.15.3 NATS_JS=2.29.3
source "$(dirname "$0")/with-nats.sh"
second=
trap '[[ -z $second ]] || { kill "$second" 2>/dev/null || true; wait "$second" 2>/dev/null || true; }; clean_up' EXIT
mkdir "$work/second"
config() { printf 'listen: "127.0.0.1:%s"\nmax_payload: %s\nports_file_dir: "%s"\n' "$1" "$2" "$work/second" >"$work/second.conf"; }
config -1 1MB
"$work/nats-server" -c "$work/second.conf" >"$work/second.log" 2>&1 &
second=$!
for _ in $(seq 100); do cat "$work"/second/*.ports 2>/dev/null | grep -q nats && break; sleep 0.1; done
port=$(grep -oE '"nats":\["[^"]+' "$work"/second/*.ports | grep -oE '[0-9]+$')
config "$port" 64KB
export URL="127.0.0.1:$port" PID=$second
program <<'JS'
const { connect } = require('nats');
const { setTimeout: sleep } = require('node:timers/promises');
(async () => {
  const connection = await connect({ servers: process.env.URL, reconnect: false });
  process.kill(Number(process.env.PID), 'SIGHUP');
  await sleep(1500);
  const told = connection.info.max_payload;
  const fresh = await connect({ servers: process.env.URL });
  const inForce = fresh.info.max_payload;
  await fresh.close();
  connection.publish('a', new Uint8Array(200_000));
  const end = await Promise.race([connection.closed(), sleep(5000, 'still open')]);
  console.log(`in force: ${inForce}; what the open connection was told: ${told}; after 200 KB: ${end?.message ?? end ?? 'closed'}`);
  process.exit(told === 1048576 && inForce === 65536 && end !== 'still open' ? 0 : 1);
})();
JS
