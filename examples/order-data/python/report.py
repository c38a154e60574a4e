"""The report on the orders of a store, with stubs of grpcio-tools."""

import json
import sys
from collections import Counter

import grpc

from sluice.v1 import event_store_service_pb2 as messages
from sluice.v1 import event_store_service_pb2_grpc

TIMEOUT = 120


def most_of(numbers):
    """The name with the highest number; the first by name if there are several."""
    return min(numbers, key=lambda name: (-numbers[name], name))


def money(cents):
    return f"{cents // 100}.{cents % 100:02}"


def events_of(read):
    """The events of a call. If it fails, it raises: the events before are right, but not complete."""
    for message in read:
        yield from message.events


def list_orders(store):
    """ListStreams: orders and events of each region, and the order with the highest version."""
    orders, events, versions = Counter(), Counter(), {}
    for message in store.ListStreams(messages.ListStreamsRequest(pattern="order.*.*"), timeout=TIMEOUT):
        for summary in message.streams:
            region = summary.stream.split(".")[1]
            orders[region] += 1
            events[region] += summary.version
            versions[summary.stream] = summary.version
    return orders, events, most_of(versions)


def ask_region(store, region, checkouts):
    """ReadAll by pattern and event types. Also counts the orders of each checkout."""
    cents, cancelled = Counter(), 0
    request = messages.ReadAllRequest(
        patterns=[f"order.{region}.*"],
        event_types=["OrderPlaced", "OrderPaid", "PaymentRefunded", "OrderCancelled"],
    )
    for event in events_of(store.ReadAll(request, timeout=TIMEOUT)):
        if event.type == "OrderPlaced":
            checkouts[event.correlation_id] += 1
        elif event.type == "OrderCancelled":
            cancelled += 1
        else:
            cents[event.type] += json.loads(event.text)["amountCents"]
    return cents["OrderPaid"], cents["PaymentRefunded"], cancelled


def print_history(store, stream):
    """GetVersion and ReadStream. Returns the position of the last event."""
    head = store.GetVersion(messages.GetVersionRequest(stream=stream), timeout=TIMEOUT)
    print(f"\n{stream} has the longest history, version {head.version}:")
    for event in events_of(store.ReadStream(messages.ReadStreamRequest(stream=stream), timeout=TIMEOUT)):
        print(f"{event.version:4}  {event.metadata['occurred-at']}  {event.type}")
    return event.position


def print_moment(store, position):
    """ReadAll up to a position."""
    request = messages.ReadAllRequest(
        patterns=["order.>"],
        event_types=["OrderPlaced", "OrderPaid", "OrderShipped", "OrderCancelled"],
        to_position=position,
    )
    counts = Counter(event.type for event in events_of(store.ReadAll(request, timeout=TIMEOUT)))
    placed, paid = counts["OrderPlaced"], counts["OrderPaid"]
    shipped, cancelled = counts["OrderShipped"], counts["OrderCancelled"]
    print(f"\nwhen that was stored: {placed} placed, {paid} paid, {shipped} shipped, {cancelled} cancelled")


def print_checkout(store, checkout):
    """ReadByCorrelation."""
    request = messages.ReadByCorrelationRequest(correlation_id=checkout)
    sizes = Counter(event.stream for event in events_of(store.ReadByCorrelation(request, timeout=TIMEOUT)))
    print(f"\n{checkout} has the most orders:")
    for stream, events in sizes.items():
        print(f"  {stream}, {events} events")


def main(address):
    with grpc.insecure_channel(address) as channel:
        store = event_store_service_pb2_grpc.EventStoreServiceStub(channel)
        orders, events, longest = list_orders(store)
        checkouts = Counter()
        print("region    orders   events          paid      refunded  cancelled")
        for region in sorted(orders):
            paid, refunded, cancelled = ask_region(store, region, checkouts)
            row = f"{region:8}{orders[region]:8}{events[region]:9}"
            print(f"{row}{money(paid):>14}{money(refunded):>14}{cancelled:11}")
        position = print_history(store, longest)
        print_moment(store, position)
        print_checkout(store, most_of(checkouts))


main(sys.argv[1])
