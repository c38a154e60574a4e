"""Sends the e-mails of a shop as a member of a consumer group, with the Python client of Sluice."""

import os
import signal
import sys

from sluice_eventstore import HandlerContext, ParkEvent, RecordedEvent, connect, parse_json

GROUP = "order-emails"
SUBJECTS = {"OrderPlaced": "Thank you for your order", "OrderShipped": "Your order is on its way"}


def send_once(outbox: str, key: str, text: str) -> bool:
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


def main(address: str, outbox: str) -> None:
    def send(event: RecordedEvent, context: HandlerContext) -> None:
        """Sends the e-mail of an event, unless that has happened."""
        email = parse_json(event).get("email")
        if not email:
            raise ParkEvent("the event has no e-mail address")
        key = f"{event.stream}-{event.version}"
        text = f"To: {email}\nMessage-ID: <{key}@shop.example.com>\nSubject: {SUBJECTS[event.type]}\n"
        print("sent" if send_once(outbox, key, text) else "sent before", key, flush=True)

    with connect(address) as client:
        member = client.consumer(
            GROUP,
            send,
            max_in_flight=16,
            on_failed=lambda error, event: print(event.stream, event.version, error, file=sys.stderr),
            on_refused=lambda error: print(error, file=sys.stderr),  # the event comes again
            on_reconnect=lambda error: print("joining again after", error, file=sys.stderr),
        )
        signal.signal(signal.SIGTERM, lambda *_: member.stop())
        member.run()


main(sys.argv[1], sys.argv[2])
