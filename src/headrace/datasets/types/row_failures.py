"""What happens to rows that break a type's rules: the first one is raised, or all are listed and left out."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import unquote

from headrace.datasets.batches import BadRow, Origin, RejectedRow, RowBatch
from headrace.datasets.recipe_origins import RecipeOrigin
from headrace.datasets.types.base import OnInvalid
from headrace.errors import InvalidInput

__all__ = ["RowFailures", "place_of", "reason_of", "row_lines"]


class RowFailures:
    """The failure policy of one ingest; not thread-safe."""

    __slots__ = ("_on_invalid", "_origins", "_rejected")

    def __init__(self, on_invalid: OnInvalid, origins: Sequence[Origin]) -> None:
        self._on_invalid = on_invalid
        self._origins = origins  # may still grow while the source is read
        self._rejected: list[RejectedRow] = []

    @property
    def raises(self) -> bool:
        """Whether the first bad row ends the ingest."""
        return self._on_invalid == "raise"

    def place(self, origin_idx: int, member: str | None = None) -> str:
        """The file that messages name."""
        return place_of(self._origin(origin_idx), member)

    def reject(
        self,
        message: str,
        *,
        origin_idx: int,
        member: str | None = None,
        line: int | None = None,
        column: str | None = None,
    ) -> None:
        """Raise, or note that this row is left out.

        Raises:
            InvalidInput: With file, line and column, unless rows are skipped.
        """
        if self._on_invalid == "raise":
            raise InvalidInput(message, file=self.place(origin_idx, member), line=line, column=column)
        reason = message if column is None else f"column {column}: {message}"
        self._rejected.append(RejectedRow(self._origin(origin_idx).uri, member, line, reason))

    def reject_error(self, error: InvalidInput, *, origin_idx: int, member: str | None = None) -> None:
        """As `reject`, for an error that already says where it happened."""
        if self._on_invalid == "raise":
            raise error
        self._rejected.append(RejectedRow(self._origin(origin_idx).uri, member, error.line, reason_of(error, member)))

    def bad_rows(self, *, origin_idx: int, member: str | None = None) -> BadRow | None:
        """What takes the rows that a table of this origin cannot read; None if the first is to be raised."""
        if self._on_invalid == "raise":
            return None
        return lambda error: self.reject_error(error, origin_idx=origin_idx, member=member)

    def drain(self) -> list[RejectedRow]:
        """Rows left out since the last call."""
        rejected, self._rejected = self._rejected, []
        return rejected

    def _origin(self, origin_idx: int) -> Origin:
        return self._origins[origin_idx] if origin_idx < len(self._origins) else Origin("the source")


def place_of(origin: Origin, member: str | None = None) -> str:
    """A path or URI that a person can open, for messages."""
    recipe = RecipeOrigin.of(origin)
    if recipe is not None:
        read = f"recipe {recipe.recipe}" if recipe.source is None else f"recipe {recipe.recipe}, source {recipe.source}"
        return read if member is None else f"{read}, sample {member}"
    place = unquote(origin.uri.removeprefix("file://")) if origin.uri.startswith("file://") else origin.uri
    if member is None:
        return place
    place = place.rstrip("/")
    return place if place.endswith("/" + member) else f"{place}/{member}"


def reason_of(error: InvalidInput, member: str | None) -> str:
    """The message; without the file where that is the member, which a rejected row names beside it."""
    message = error.message
    if member and error.file and error.file.endswith(member) and message.startswith(f"{error.file}: "):
        return message[len(error.file) + 2 :]
    return message


def row_lines(batch: RowBatch) -> Sequence[int]:
    """The 1-based line, or the 1-based row where the format has no lines, of each row of a batch."""
    if batch.lines is not None:
        return batch.lines
    return range(batch.row_start + 1, batch.row_start + 1 + batch.table.num_rows)
