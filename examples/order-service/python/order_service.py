"""
A service over HTTP that decides about orders, with the Python client of Sluice. It keeps no state: each request reads the order,
decides, and appends what it has decided, at the version that it has read.
"""

import json
import re
import signal
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from sluice_eventstore import Client, InvalidRequestError, SluiceError, connect, json_event, parse_json, retry_on_conflict


@dataclass
class Order:
    """The state of an order: what its events say."""

    customer: str = ""
    status: str = ""
    total_cents: int = 0
    version: int = 0


class Refused(Exception):
    """What a request may not do; people see it."""


def load(client: Client, id: str) -> Order:
    """One that does not exist has the version 0."""
    order = Order()
    read = client.read_stream(f"order.{id}")
    for event in read:
        match event.type, parse_json(event):
            case "OrderPlaced", {"customer": str(customer)}:
                order.customer, order.status = customer, "placed"
            case "ItemAdded", {"quantity": int(quantity), "priceCents": int(price)}:
                order.total_cents += quantity * price
            case ("OrderPaid" | "OrderShipped" | "OrderCancelled") as happened, _:
                order.status = happened.removeprefix("Order").lower()
    order.version = read.head.version
    return order


def place(order: Order, body: Any) -> tuple[str, Any]:
    if order.version > 0:
        raise Refused("the order exists")
    if not body.get("customer"):
        raise Refused("an order has a customer")
    return "OrderPlaced", {"customer": body["customer"]}


def add_item(order: Order, body: Any) -> tuple[str, Any]:
    require_open(order)
    item = {name: body.get(name) for name in ("sku", "quantity", "priceCents")}
    if not all(isinstance(item[name], int) and item[name] >= least for name, least in (("quantity", 1), ("priceCents", 0))):
        raise Refused("an item has a quantity and a price")
    return "ItemAdded", item


def pay(order: Order, _: Any) -> tuple[str, Any]:
    require_open(order)
    return "OrderPaid", {"cents": order.total_cents}


def cancel(order: Order, _: Any) -> tuple[str, Any]:
    require_open(order)
    return "OrderCancelled", {}


def require_open(order: Order) -> None:
    if order.status != "placed":
        raise Refused(f"the order is {order.status}" if order.status else "there is no such order")


DECISIONS: dict[tuple[str, str | None], Callable[[Order, Any], tuple[str, Any]]] = {
    ("PUT", None): place,
    ("POST", "items"): add_item,
    ("POST", "payment"): pay,
    ("POST", "cancellation"): cancel,
}


def handle(client: Client, method: str, path: str, body: Any) -> tuple[int, Any]:
    """The status and the answer of a request."""
    found = re.fullmatch(r"/orders/([^/]+)(?:/([a-z]+))?", path)
    decide = DECISIONS.get((method, found[2])) if found else None
    try:
        if found and decide:
            stream = f"order.{found[1]}"

            def append(order: Order) -> int:
                event = json_event(*decide(order, body))
                return client.append(stream, [event], expected_version=order.version).version

            # Decides again whenever another request was faster.
            return 200, {"version": retry_on_conflict(lambda: load(client, found[1]), append)}
        if found and method == "GET" and not found[2]:
            order = load(client, found[1])
            if order.version > 0:
                state = {"customer": order.customer, "status": order.status, "totalCents": order.total_cents}
                return 200, {**state, "version": order.version}
        return 404, {"error": "there is nothing here"}
    except Refused as refused:
        return 409, {"error": str(refused)}
    except InvalidRequestError as error:  # a name that no stream can have
        return 400, {"error": str(error)}
    except SluiceError as error:
        # The client has tried for as long as it may. After OUTCOME_UNKNOWN the event may be stored.
        print(error, file=sys.stderr)
        return 503, {"error": str(error)}


def handler_of(client: Client) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            try:
                body = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))) or "{}")
            except ValueError:
                body = None
            if isinstance(body, dict):
                status, value = handle(client, self.command, self.path, body)
            else:
                status, value = 400, {"error": "the body is not a JSON object"}
            text = json.dumps(value).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        do_GET = do_PUT = do_POST = answer

    return Handler


def main(gateway: str, listen: str) -> None:
    host, _, port = listen.rpartition(":")
    with connect(gateway) as client, ThreadingHTTPServer((host, int(port)), handler_of(client)) as server:
        # `shutdown` waits for the loop that this thread runs.
        for signal_number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(signal_number, lambda *_: threading.Thread(target=server.shutdown).start())
        print("listening on", listen, flush=True)
        server.serve_forever()


main(sys.argv[1], sys.argv[2])
