#!/usr/bin/env bash
# grpcio 1.85.1: grpc.keepalive_timeout_ms does not end a connection that has gone silent. Its ping is sent after
# grpc.keepalive_time_ms, but the connection stays, for longer than 30 seconds, unless grpc.http2.ping_timeout_ms is set as well.
#
# From the documentation ("if it does not receive an acknowledgment within this time, it will close the connection") one would
# expect that the first option is enough.
#
# Why it matters: a call without a deadline hangs on a connection that has died, and an append stays in doubt until its deadline. The
# Python client sets both options.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/python -m pip install --quiet grpcio==1.85.1
cat >silent.py <<'PY'
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import grpc

silent = threading.Event()


def pump(source, target):
    while data := source.recv(65536):
        if not silent.is_set():
            target.sendall(data)


def relay(listener, port):
    while True:
        here, _ = listener.accept()
        there = socket.create_connection(("127.0.0.1", port))
        for pair in ((here, there), (there, here)):
            threading.Thread(target=pump, args=pair, daemon=True).start()


def echo(request, context):
    return request


def seconds(port, *more):
    """How long a call of 30 seconds takes to fail on a connection that has gone silent."""
    silent.clear()
    options = [("grpc.keepalive_time_ms", 2000), ("grpc.keepalive_timeout_ms", 2000), ("grpc.use_local_subchannel_pool", 1), *more]
    with grpc.insecure_channel(f"127.0.0.1:{port}", options) as channel:
        call = channel.unary_unary("/demo.Demo/Echo")
        call(b"hello", wait_for_ready=True)
        silent.set()
        begun = time.monotonic()
        try:
            call(b"hello", timeout=30)
        except grpc.RpcError as error:
            print(more, error.code().name, error.details(), round(time.monotonic() - begun), "s")
        return time.monotonic() - begun


server = grpc.server(ThreadPoolExecutor())
method = grpc.unary_unary_rpc_method_handler(echo)
server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler("demo.Demo", {"Echo": method})])
server_port = server.add_insecure_port("127.0.0.1:0")
server.start()
listener = socket.create_server(("127.0.0.1", 0))
threading.Thread(target=relay, args=(listener, server_port), daemon=True).start()
port = listener.getsockname()[1]
alone = seconds(port)
both = seconds(port, ("grpc.http2.ping_timeout_ms", 2000))
server.stop(0)
raise SystemExit(0 if alone > 20 and both < 20 else 1)
PY
venv/bin/python silent.py
