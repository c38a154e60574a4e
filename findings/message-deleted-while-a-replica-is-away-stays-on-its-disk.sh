#!/usr/bin/env bash
# nats-server 2.15.3: a message that was deleted with overwriting while a server of the cluster was away stays in the files of
# that server.
#
# A stream has three replicas. One of the servers is stopped, and a message is deleted by its sequence, with overwriting. The two
# other servers overwrite it at once, and are restarted, so that they compact their Raft logs. When the third server comes back, the log no
# longer has the delete: the server learns from a snapshot that the message is gone, and removes it without overwriting. No client
# gets it any more, and it is in the block file of that server, in plain text.
#
# One would expect that a delete which was acknowledged is carried out in the same way on every replica.
#
# Why it matters: Sluice erases events by such deletes, so events are to be erased when all servers are there.
NATS_SERVER=2.15.3 NATS_JS=2.29.3
source "$(dirname "$0")/with-nats.sh"
export WORK="$work"
program <<'JS'
const { spawn } = require('node:child_process');
const { once } = require('node:events');
const { mkdirSync, readFileSync, readdirSync, statSync, writeFileSync } = require('node:fs');
const { createServer } = require('node:net');
const { join } = require('node:path');
const { connect } = require('nats');
const { WORK } = process.env;
const text = 'message-that-is-deleted';
const all = [0, 1, 2];
const pause = () => new Promise((resolve) => setTimeout(resolve, 200));
const until = async (holds) => {
  for (let left = 600; left > 0; left--) {
    if (await holds().catch(() => false)) return;
    await pause();
  }
  throw new Error('waited for too long');
};
const freePort = async () => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return port;
};
const folderOf = (node) => join(WORK, `node${node}`);
const isOnDisk = (node) => {
  const files = readdirSync(join(folderOf(node), 'jetstream', '$G', 'streams', 'LOG', 'msgs'));
  return files.some((name) => {
    const path = join(folderOf(node), 'jetstream', '$G', 'streams', 'LOG', 'msgs', name);
    return statSync(path).isFile() && readFileSync(path).includes(text);
  });
};
const nodes = [];
process.on('exit', () => nodes.forEach((node) => node.kill('SIGKILL')));
const start = (node) => (nodes[node] = spawn(join(WORK, 'nats-server'), ['-c', join(folderOf(node), 'conf')], { stdio: 'ignore' }));
const stop = async (node) => {
  const ended = once(nodes[node], 'exit');
  nodes[node].kill('SIGTERM');
  await ended;
};
(async () => {
  const ports = await Promise.all([...all, ...all].map(freePort));
  for (const node of all) {
    mkdirSync(folderOf(node));
    const routes = all.filter((one) => one !== node).map((one) => `"nats-route://127.0.0.1:${ports[3 + one]}"`);
    const cluster = `cluster { name: c, listen: "127.0.0.1:${ports[3 + node]}", routes: [${routes}], no_advertise: true }`;
    const jetstream = `jetstream { store_dir: "${folderOf(node)}" }`;
    writeFileSync(join(folderOf(node), 'conf'), `server_name: n${node}\nlisten: "127.0.0.1:${ports[node]}"\n${jetstream}\n${cluster}\n`);
    start(node);
  }
  const servers = all.map((node) => `127.0.0.1:${ports[node]}`);
  let connection;
  await until(async () => (connection = await connect({ servers, maxReconnectAttempts: -1, reconnectTimeWait: 200 })));
  const { streams } = await connection.jetstreamManager({ checkAPI: false });
  await until(() => streams.add({ name: 'LOG', subjects: ['log.*'], num_replicas: 3 }));
  const put = (count) => Promise.all(Array.from({ length: count }, (_, i) => connection.jetstream().publish(`log.${i % 10}`, 'x')));
  await put(500);
  const { seq } = await connection.jetstream().publish('log.secret', text);
  await put(500);
  const inStep = async (count) => {
    const { cluster } = await streams.info('LOG');
    return cluster.leader && cluster.replicas.filter((one) => one.current && !one.offline).length === count;
  };
  await until(() => inStep(2));
  const { leader } = (await streams.info('LOG')).cluster;
  const [away, ...others] = all.filter((node) => `n${node}` !== leader);
  await stop(away);
  await streams.deleteMessage('LOG', seq, true);
  for (const node of [...others, Number(leader.slice(1))]) {
    await stop(node);
    start(node);
    await until(() => inStep(1));
  }
  const before = all.filter(isOnDisk);
  start(away);
  await until(() => inStep(2));
  const gone = await streams.getMessage('LOG', { seq }).then(() => false, () => true);
  await new Promise((resolve) => setTimeout(resolve, 5_000));
  const after = all.filter(isOnDisk);
  console.log(`server ${away} was away; clients get the message no more: ${gone}; on the disks of servers ${before} before it is back, and of ${after} after`);
  await connection.close();
  process.exit(gone && String(before) === String(away) && String(after) === String(away) ? 0 : 1);
})();
JS
