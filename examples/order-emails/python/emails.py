"""Sends the e-mails of a shop as a member of a consumer group, with stubs of grpcio-tools."""

import json
import os
import queue
import signal
import sys
import threading
import time

import grpc

from sluice.v1 import consumer_group_service_pb2 as messages
from sluice.v1 import consumer_group_service_pb2_grpc

GROUP = "order-emails"
HEARTBEAT = 5
SILENCE = 15  # without a message for this long, a connection counts as dead

SUBJECTS = {"OrderPlaced": "Thank you for your order", "OrderShipped": "Your order is on its way"}

# What Consume ends with when the gateway or the connection went away: another call may succeed.
PASSING = (
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.INTERNAL,
    grpc.StatusCode.UNKNOWN,
    grpc.StatusCode.CANCELLED,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
)


class NoAddress(Exception):
    pass


def send_once(outbox, key, text):
    """Writes an e-mail into the outbox folder, whole or not at all; False: it is there already.

    The name of the file says which event it is for, and a link never replaces a file: so the e-mail and the record that it was
    sent are one thing. That holds even if two processes handle the event.
    """
    draft = os.path.join(outbox, f".{key}.{os.getpid()}")
    try:
        with open(draft, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.link(draft, os.path.join(outbox, f"{key}.eml"))
        return True
    except FileExistsError:
        return False
    finally:
        os.unlink(draft)


def handle(outbox, event):
    """Sends the e-mail of an event, unless that has happened."""
    email = json.loads(event.text or event.binary).get("email")
    if not email:
        raise NoAddress("the event has no e-mail address")
    key = f"{event.stream}-{event.version}"
    text = f"To: {email}\nMessage-ID: <{key}@shop.example.com>\nSubject: {SUBJECTS[event.type]}\n"
    print("sent" if send_once(outbox, key, text) else "sent before", key, flush=True)


def settled(outbox, delivery):
    """Handles the events of a delivery in order. Returns the request that says what became of them."""
    for handled, event in enumerate(delivery.events):
        try:
            handle(outbox, event)
        except Exception as error:
            print(event.stream, event.version, error, file=sys.stderr)
            failed = {"delivery": delivery.id, "handled": handled, "reason": str(error)}
            if isinstance(error, NoAddress):
                return messages.ConsumeRequest(park=messages.Park(**failed))
            return messages.ConsumeRequest(retry=messages.Retry(**failed))
    return messages.ConsumeRequest(ack=messages.Ack(deliveries=[delivery.id]))


def next_message(call):
    """The next message; None: the member has left. A connection that stays silent is given up."""
    watchdog = threading.Timer(SILENCE, call.cancel)
    watchdog.start()
    try:
        return next(call, None)
    finally:
        watchdog.cancel()


class Member:
    """A member that joins again whenever its call ends in a way that may pass."""

    def __init__(self, address, outbox):
        self.address = address
        self.outbox = outbox
        self.stopping = threading.Event()
        self.requests = None  # of the call under way, once it has joined

    def stop(self, *_):
        """No more deliveries come then, and the call ends when those that are here have been settled."""
        self.stopping.set()
        if self.requests is not None:
            self.requests.put(messages.ConsumeRequest(leave=messages.Leave()))

    def run(self):
        pause = 0.1
        while not self.stopping.is_set():
            try:
                self.consume()
                return
            except grpc.RpcError as error:
                if error.code() not in PASSING:
                    raise
                print("joining again after", error.details(), file=sys.stderr)
                pause = 0.1 if self.requests is not None else min(2 * pause, 5)
            self.requests = None
            time.sleep(pause)

    def consume(self):
        requests = queue.SimpleQueue()
        join = messages.Join(group=GROUP, max_in_flight=16)
        join.heartbeat_interval.FromSeconds(HEARTBEAT)
        requests.put(messages.ConsumeRequest(join=join))
        # For each attempt: a connection that has gone silent is left behind.
        options = [("grpc.use_local_subchannel_pool", 1), ("grpc.max_reconnect_backoff_ms", 5_000)]
        with grpc.insecure_channel(self.address, options) as channel:
            stub = consumer_group_service_pb2_grpc.ConsumerGroupServiceStub(channel)
            call = stub.Consume(iter(requests.get, None))
            try:
                while (message := next_message(call)) is not None:
                    if message.HasField("joined"):
                        self.requests = requests
                        if self.stopping.is_set():
                            self.stop()
                    if message.HasField("refused"):
                        print(message.refused.error.message, file=sys.stderr)  # it comes again
                    for delivery in message.deliveries:
                        requests.put(settled(self.outbox, delivery))
            finally:
                requests.put(None)


member = Member(sys.argv[1], sys.argv[2])
signal.signal(signal.SIGTERM, member.stop)
member.run()
