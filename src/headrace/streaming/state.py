"""Where a run is: segments of epochs, a few hundred bytes of JSON, the same on all ranks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from headrace.errors import InvalidInput
from headrace.streaming.order import Order
from headrace.streaming.permutations import ORDER_VERSION

__all__ = ["STATE_FORMAT", "Segment", "StreamState"]

STATE_FORMAT = 1


@dataclass(frozen=True, slots=True)
class Segment:
    """Positions [start, end) of one epoch under one order of one plan. `end` is None while it goes on."""

    rows: str  # identity of the provider
    plan: str
    order: Order
    epoch: int
    start: int
    end: int

    def to_json(self) -> dict[str, Any]:
        """The part of a state."""
        return {
            "snapshot": self.rows,
            "plan": self.plan,
            "order": self.order.to_json(),
            "epoch": self.epoch,
            "from": self.start,
            "to": self.end,
        }

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> Segment:
        """Read a segment."""
        return cls(
            document["snapshot"],
            document["plan"],
            Order.from_json(document["order"]),
            document["epoch"],
            document["from"],
            document["to"],
        )


@dataclass(frozen=True, slots=True)
class StreamState:
    """What was consumed of the epoch that is under way; the last segment is the one that goes on."""

    segments: tuple[Segment, ...]
    steps: int = 0  # of this epoch, for `Batch.step`

    @property
    def current(self) -> Segment:
        """The segment that goes on."""
        return self.segments[-1]

    def to_json(self) -> dict[str, Any]:
        """Plain JSON with a format number."""
        return {
            "format": STATE_FORMAT,
            "order_version": ORDER_VERSION,
            "steps": self.steps,
            "segments": [segment.to_json() for segment in self.segments],
        }

    @classmethod
    def from_json(cls, document: object) -> StreamState:
        """Read a state.

        Raises:
            InvalidInput: It is none, or of another version.
        """
        if not isinstance(document, dict) or "segments" not in document or "format" not in document:
            raise InvalidInput(f"this is no state of a loader: {str(document)[:120]}; expected what state_dict() gave")
        if document["format"] != STATE_FORMAT or document.get("order_version") != ORDER_VERSION:
            raise InvalidInput(
                f"the state has format {document['format']} and order version {document.get('order_version')}; this "
                f"version of Headrace reads {STATE_FORMAT} and {ORDER_VERSION}. Resume with the version that wrote it, "
                "or start a new epoch"
            )
        try:
            segments = tuple(Segment.from_json(segment) for segment in document["segments"])
        except (KeyError, TypeError, InvalidInput) as error:
            raise InvalidInput(f"the state is damaged: {error}; expected what state_dict() gave") from error
        if not segments:
            raise InvalidInput("the state has no segment; expected what state_dict() gave")
        return cls(segments, document.get("steps", 0))
