"""Where a run is: segments of epochs, a few hundred bytes of JSON, the same on all ranks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from headrace.errors import InvalidInput
from headrace.streaming.order import MAX_CUSTOM_LANES, MAX_ROWS, MAX_WINDOW_BLOCKS, Order
from headrace.streaming.permutations import ORDER_VERSION
from headrace.streaming.whole_numbers import whole_number

__all__ = ["MAX_EPOCH", "STATE_FORMAT", "Segment", "StreamState", "epoch_number"]

STATE_FORMAT = 1
MAX_EPOCH = 2**31
"""The last one that a state may name."""


@dataclass(frozen=True, slots=True)
class Segment:
    """Positions [start, end) of one epoch under one order of one plan that were consumed."""

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
    def from_json(cls, document: Mapping[str, Any]) -> Segment:
        """Read a segment.

        Raises:
            InvalidInput: A field is missing or out of range.
        """
        order = document["order"]
        known = Order(
            num_samples=_whole(order, "num_samples", to=MAX_ROWS),
            mode=_word(order, "mode", ("global", "block", "none")),
            seed=_whole(order, "seed", to=2**63),
            lanes=_whole(order, "lanes", at_least=1, to=MAX_CUSTOM_LANES),
            block_rows=_whole(order, "block_rows", at_least=1, to=2**31),
            window_blocks=_whole(order, "window_blocks", at_least=1, to=MAX_WINDOW_BLOCKS),
        )
        end = _whole(document, "to", to=known.num_samples)
        return cls(
            _word(document, "snapshot"),
            _word(document, "plan"),
            known,
            _whole(document, "epoch", to=MAX_EPOCH),
            _whole(document, "from", to=end),
            end,
        )


def epoch_number(epoch: int) -> int:
    """The number of an epoch that a user names.

    Raises:
        InvalidInput: A state could not name it.
    """
    return whole_number(epoch, "epoch", at_least=0, to=MAX_EPOCH)


def _whole(document: Mapping[str, Any], name: str, *, at_least: int = 0, to: int) -> int:
    value = document[name]
    if not isinstance(value, int) or isinstance(value, bool) or not at_least <= value <= to:
        raise InvalidInput(f"{name} is {value!r}, expected a whole number from {at_least} to {to}")
    return value


def _word(document: Mapping[str, Any], name: str, known: tuple[str, ...] = ()) -> Any:
    value = document[name]
    if not isinstance(value, str) or (known and value not in known):
        raise InvalidInput(f"{name} is {value!r}, expected {' or '.join(known) or 'a text'}")
    return value


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
        if not isinstance(document, Mapping) or "segments" not in document or "format" not in document:
            raise InvalidInput(f"this is no state of a loader: {str(document)[:120]}; expected what state_dict() gave")
        if document["format"] != STATE_FORMAT or document.get("order_version") != ORDER_VERSION:
            raise InvalidInput(
                f"the state has format {document['format']} and order version {document.get('order_version')}; this "
                f"version of Headrace reads {STATE_FORMAT} and {ORDER_VERSION}. Resume with the version that wrote it, "
                "or start a new epoch"
            )
        try:
            segments = tuple(Segment.from_json(segment) for segment in document["segments"])
            steps = _whole({"steps": 0, **document}, "steps", to=MAX_ROWS)
        except (KeyError, TypeError, InvalidInput) as error:
            raise InvalidInput(f"the state is damaged: {error}; expected what state_dict() gave") from error
        if not segments:
            raise InvalidInput("the state has no segment; expected what state_dict() gave")
        return cls(segments, steps)
