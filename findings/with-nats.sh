# Sourced by the scripts beside it. Makes a temp folder with a nats-server of the version in NATS_SERVER and the npm package
# nats of the version in NATS_JS, starts the server on a free loopback port, and exports NATS_URL. Removes everything at exit.
set -euo pipefail
work=$(mktemp -d)
server=
clean_up() {
  if [[ -n $server ]]; then kill "$server" 2>/dev/null || true; wait "$server" 2>/dev/null || true; fi
  rm -rf "$work"
}
trap clean_up EXIT
: "${NATS_SERVER:?}" "${NATS_JS:?}"
GOBIN="$work" go install "github.com/nats-io/nats-server/v2@v$NATS_SERVER"
(cd "$work" && npm init -y >/dev/null && npm install --silent --no-audit --no-fund --ignore-scripts "nats@$NATS_JS")
"$work/nats-server" -a 127.0.0.1 -p -1 -js -sd "$work/store" --ports_file_dir "$work" >"$work/server.log" 2>&1 &
server=$!
for _ in $(seq 100); do
  ports=$(cat "$work"/*.ports 2>/dev/null || true)
  [[ $ports == *'"nats":['* ]] && break
  sleep 0.1
done
NATS_URL=$(grep -oE '"nats":\["[^"]+' <<<"$ports" | cut -d'"' -f4)
export NATS_URL
# Runs the program on standard input, with `connect` and friends of the package at hand.
program() { (cd "$work" && cat >program.cjs && node program.cjs); }
