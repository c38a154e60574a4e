"""Keeps a table of orders in SQLite, as ../project.ts does, with the Python client of Sluice."""

import signal
import sqlite3
import sys
from typing import Any

from sluice_eventstore import RecordedEvent, connect, parse_json

BATCH_MAX = 1000  # events in one transaction
STATUSES = {"OrderPaid": "paid", "OrderShipped": "shipped", "OrderCancelled": "cancelled"}
SCHEMA = """
    CREATE TABLE IF NOT EXISTS orders (
        id          TEXT PRIMARY KEY,
        customer    TEXT NOT NULL,
        status      TEXT NOT NULL,
        total_cents INTEGER NOT NULL,
        item_count  INTEGER NOT NULL,
        version     INTEGER NOT NULL
    ) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS checkpoint (
        only_one INTEGER PRIMARY KEY CHECK (only_one = 1),
        cursor   TEXT NOT NULL
    );
"""


def open_database(path: str) -> sqlite3.Connection:
    database = sqlite3.connect(path)
    database.execute("PRAGMA journal_mode = WAL")
    database.executescript(SCHEMA)
    return database


def cursor_in(database: sqlite3.Connection) -> str | None:
    row = database.execute("SELECT cursor FROM checkpoint").fetchone()
    return None if row is None else row[0]


def data_of(event: RecordedEvent) -> Any:
    try:
        return parse_json(event)
    except ValueError:
        return None  # not JSON


def apply(database: sqlite3.Connection, event: RecordedEvent) -> None:
    """Ignores what it does not know: other programs may write to these streams, too."""
    order = event.stream.removeprefix("order.")
    match event.type, data_of(event):
        case "OrderPlaced", {"customer": str(customer)}:
            placed = (order, customer, event.version)
            database.execute("INSERT INTO orders VALUES (?, ?, 'placed', 0, 0, ?) ON CONFLICT DO NOTHING", placed)
        case "ItemAdded", {"quantity": int(quantity), "priceCents": int(price)}:
            added = (quantity * price, quantity, event.version, order)
            database.execute(
                "UPDATE orders SET total_cents = total_cents + ?, item_count = item_count + ?, version = ? WHERE id = ?",
                added,
            )
        case ("OrderPaid" | "OrderShipped" | "OrderCancelled") as happened, _:
            changed = (STATUSES[happened], event.version, order)
            database.execute("UPDATE orders SET status = ?, version = ? WHERE id = ?", changed)


def project(address: str, path: str) -> None:
    database = open_database(path)
    cursor = cursor_in(database)
    print("from the first event" if cursor is None else f"after cursor {cursor}", flush=True)
    pending = 0

    def commit() -> None:
        """The cursor is in the transaction of the rows, so that no event is missed or counted twice, whenever the process ends."""
        nonlocal pending
        if pending > 0:
            with database:
                database.execute("INSERT OR REPLACE INTO checkpoint VALUES (1, ?)", (subscription.cursor,))
            pending = 0

    def live() -> None:
        commit()
        print("live", flush=True)

    with connect(address) as client:
        subscription = client.subscribe(
            patterns=["order.>"],
            after=cursor,
            on_caught_up=live,
            on_reconnect=lambda error: print("reconnecting after", error, file=sys.stderr),
        )
        for signal_number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(signal_number, lambda *_: subscription.stop())
        for event in subscription:
            apply(database, event)
            pending += 1
            if subscription.lag == 0 or pending == BATCH_MAX:
                commit()
    database.close()  # what is pending comes again


def money(cents: int) -> str:
    return f"{cents // 100}.{cents % 100:02}"


def summary(path: str) -> None:
    database = open_database(path)
    rows = database.execute(
        "SELECT status, count(*), sum(total_cents) FROM orders GROUP BY status ORDER BY status"
    ).fetchall()
    for status, orders, cents in rows:
        print(f"{status:10}{orders:10}{money(cents):>16}")
    revenue = sum(cents for status, _, cents in rows if status in ("paid", "shipped"))
    print(f"revenue   {money(revenue):>26}")
    print(f"up to cursor {cursor_in(database)}")


if sys.argv[1] == "project":
    project(sys.argv[2], sys.argv[3])
else:
    summary(sys.argv[2])
