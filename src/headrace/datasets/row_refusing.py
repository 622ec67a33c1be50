"""What happens to the rows of a commit that break a rule: an error that says where they stand, or the report."""

from __future__ import annotations

from collections.abc import Sequence

from headrace.datasets.batches import Origin, RejectedRow, SampleBatch
from headrace.datasets.row_keys import RepeatedKey
from headrace.datasets.types.base import OnInvalid
from headrace.datasets.types.row_failures import place_of, reason_of
from headrace.errors import InvalidInput

__all__ = ["RowRefuser"]

_MAX_REJECTED = 10_000


class RowRefuser:
    """Of one commit. Not thread-safe."""

    def __init__(
        self,
        origins: Sequence[Origin],
        *,
        on_invalid: OnInvalid,
        raises_repeated_keys: bool,
    ) -> None:
        """`raises_repeated_keys`: as `write_commit` says."""
        self._origins = origins
        self._on_invalid = on_invalid
        self._raises_repeated_keys = raises_repeated_keys
        self.rejected: list[RejectedRow] = []  # at most 10,000
        self.num_rejected = 0

    def refuse(
        self,
        batch: SampleBatch,
        idx: int,
        reason: str,
        *,
        error: InvalidInput | None = None,
        is_repeat: bool = False,
    ) -> None:
        """Raise, or write down why the row at this position of the batch is left out.

        Args:
            error: What the value itself raised, if that is why.
            is_repeat: Its key is one that an earlier row has.

        Raises:
            InvalidInput: Invalid rows are not left out.
            RepeatedKey: Rows whose keys repeat are not left out.
        """
        origin = self._origins[batch.origin_of(idx)]
        member, line = batch.member_of(idx), batch.line_of(idx)
        if is_repeat and self._raises_repeated_keys:
            raise RepeatedKey(reason, file=place_of(origin, member), line=line)
        if self._on_invalid == "raise":
            if error is not None and line is None:
                raise error
            raise InvalidInput(reason, file=place_of(origin, member), line=line) from error
        self.add([RejectedRow(origin.uri, member, line, reason if error is None else reason_of(error, member))])

    def add(self, rows: Sequence[RejectedRow]) -> None:
        """Rows that were left out before."""
        self.num_rejected += len(rows)
        self.rejected.extend(rows[: _MAX_REJECTED - len(self.rejected)])

    def place(self, batch: SampleBatch, idx: int) -> str:
        """Where the row at this position of the batch came from, for messages."""
        return self.place_of(batch.origin_of(idx), batch.member_of(idx), batch.line_of(idx))

    def place_of(self, origin_idx: int, member: str | None, line: int | None) -> str:
        """Where a row came from, for messages; `line` counts from 1."""
        place = place_of(self._origins[origin_idx], member)
        return place if line is None else f"{place}:{line}"
