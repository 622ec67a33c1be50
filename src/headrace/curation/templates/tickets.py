"""Support tickets as two systems export them: repeated, empty, in mark-up, with spaces and topics of all kinds."""

from __future__ import annotations

import random
from typing import Final

import pyarrow as pa

__all__ = ["TICKET_SCHEMA", "make_tickets"]

TICKET_SCHEMA: Final = pa.schema(
    [
        pa.field("id", pa.string()),
        pa.field("system", pa.string()),
        pa.field("topic", pa.string()),
        pa.field("body", pa.string()),
        pa.field("opened", pa.timestamp("us", tz="UTC")),
    ]
)

_SEED = 20261122
_NUM_TICKETS = 1_200
_START = 1_788_000_000_000_000  # microseconds; a day in 2026
_DAY = 86_400_000_000
_TOPICS: Final = {
    "billing": ("my card was charged twice", "the invoice shows the wrong amount", "please refund the last payment"),
    "login": ("the password reset link does not work", "i cannot sign in since this morning", "my account is locked"),
    "delivery": ("the parcel has not arrived", "the driver left it with nobody", "the box was open and wet"),
    "app": ("the app closes when i open the camera", "nothing loads after the update", "the button does nothing"),
}
_WEIGHTS = (8, 5, 3, 1)  # how often each topic comes
_OPENINGS = ("hello", "hi there", "good morning", "dear team", "to whom it may concern")
_ENDINGS = ("thank you", "please help soon", "this is the third time i write", "regards", "i am waiting")
_DETAILS = ("since {} days", "order number {}", "i paid {} euros", "on page {}", "after {} tries", "at {} o'clock")


def make_tickets() -> pa.Table:
    """Rows in the order of arrival; the same each time."""
    generator = random.Random(_SEED)
    rows: list[dict[str, object]] = []
    for number in range(_NUM_TICKETS):
        topic = generator.choices(list(_TOPICS), _WEIGHTS)[0]
        body = _body(generator, topic)
        kind = generator.random()
        if kind < 0.04:
            body = generator.choice(["", "   ", "test", "asdf"])
        elif kind < 0.12 and rows:
            body = str(generator.choice(rows)["body"])
        elif kind < 0.2 and rows:
            body = f"{generator.choice(rows)['body']} !!"
        is_web = generator.random() < 0.5
        rows.append(
            {
                "id": f"t{number:05d}",
                "system": "web" if is_web else "mail",
                "topic": topic.upper() if is_web else topic,
                "body": f"<p>{body}</p>" if is_web else f"  {body}\r\n",
                "opened": _START + number * _DAY // 40,
            }
        )
    return pa.Table.from_pylist(rows, TICKET_SCHEMA)


def _body(generator: random.Random, topic: str) -> str:
    details = [detail.format(generator.randint(2, 900)) for detail in generator.sample(_DETAILS, 3)]
    middle = generator.sample(_TOPICS[topic], 2)
    words = [generator.choice(_OPENINGS), *middle, *details, generator.choice(_ENDINGS)]
    return ". ".join(words)
