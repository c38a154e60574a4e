#!/usr/bin/env bash
# nats-server 2.15.3: a repeated message id with an outdated expectation gets another reply on three replicas than on one.
#
# A message is published with a `Nats-Msg-Id` and the expectation that its subject is empty, and then exactly the same
# publish is repeated, as a client does that has lost the reply. On a stream with one replica the repetition is
# refused with 10071 (the expectation is checked first). On a stream with three replicas it is acknowledged as a
# duplicate (the id is checked first). One would expect the same order of the two checks for any number of replicas.
#
# Why it matters: after a retry, neither reply means "my first attempt was stored" or "another writer was faster"; the
# writer must read what is stored.
NATS_SERVER=2.15.3 NATS_JS=2.29.3
source "$(dirname "$0")/with-nats.sh"
cluster=()
trap '(( ${#cluster[@]} == 0 )) || { kill "${cluster[@]}" 2>/dev/null || true; wait "${cluster[@]}" 2>/dev/null || true; }; clean_up' EXIT
free_ports() { node -e "
const { createServer } = require('node:net');
const servers = Array.from({ length: 6 }, () => createServer().listen(0, '127.0.0.1'));
setTimeout(() => { console.log(servers.map((s) => s.address().port).join(' ')); servers.forEach((s) => s.close()); }, 200);"; }
read -r -a ports <<<"$(free_ports)"
routes="nats://127.0.0.1:${ports[3]},nats://127.0.0.1:${ports[4]},nats://127.0.0.1:${ports[5]}"
for i in 0 1 2; do
  "$work/nats-server" -a 127.0.0.1 -p "${ports[i]}" -js -sd "$work/store-$i" -n "n$i" --cluster_name three \
    --cluster "nats://127.0.0.1:${ports[i + 3]}" --routes "$routes" >"$work/n$i.log" 2>&1 &
  cluster+=($!)
done
export CLUSTER_URL="127.0.0.1:${ports[0]}"
program <<'JS'
const { connect, headers } = require('nats');
const { setTimeout: sleep } = require('node:timers/promises');
async function repeated(servers, replicas) {
  const connection = await connect({ servers, waitOnFirstConnect: true, maxReconnectAttempts: 100 });
  const manager = await retry(() => connection.jetstreamManager());
  await retry(() => manager.streams.add({ name: 'LOG', subjects: ['log.>'], num_replicas: replicas }));
  const publish = async () => {
    const all = headers();
    all.set('Nats-Msg-Id', 'one');
    all.set('Nats-Expected-Last-Subject-Sequence', '0');
    const { seq, duplicate, error } = (await retry(() => connection.request('log.a', '', { headers: all, timeout: 2000 }))).json();
    if (error !== undefined) return `refused (${error.err_code})`;
    return duplicate === true ? `duplicate of ${seq}` : `stored as ${seq}`;
  };
  const answers = [await publish(), await publish()];
  console.log(`${replicas} replica(s): ${answers.join(', then ')}`);
  await connection.close();
  return answers[1];
}
async function retry(work) {
  for (let tries = 0; ; tries++) {
    try {
      return await work();
    } catch (error) {
      if (tries === 100) throw error;
      await sleep(200);
    }
  }
}
(async () => {
  const one = await repeated(process.env.NATS_URL, 1);
  const three = await repeated(process.env.CLUSTER_URL, 3);
  process.exit(one === 'refused (10071)' && three === 'duplicate of 1' ? 0 : 1);
})();
JS
