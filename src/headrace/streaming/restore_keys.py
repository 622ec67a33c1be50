"""What names a made sample in one text: of which rows, under which seed, in which epoch, of which row."""

from __future__ import annotations

import re
from dataclasses import dataclass

from blake3 import blake3

from headrace.errors import InvalidInput

__all__ = ["RestoreKey", "name_of_rows"]

_DIGEST = re.compile(r"[0-9a-f]{8,}")
_KEY = re.compile(r"([0-9a-f]{8}):([0-9]{1,19}):([0-9]{1,10}):([0-9]{1,13})")


@dataclass(frozen=True, slots=True)
class RestoreKey:
    """A sample depends on no more than this and on the columns and transforms of its dataset."""

    rows: str  # as `name_of_rows`
    seed: int
    epoch: int
    row: int

    def __str__(self) -> str:
        return f"{self.rows}:{self.seed}:{self.epoch}:{self.row}"

    @classmethod
    def parse(cls, text: object) -> RestoreKey:
        """Read a key.

        Raises:
            InvalidInput: It is none.
        """
        found = _KEY.fullmatch(str(text))
        if found is None:
            raise InvalidInput(
                f"{text!r} restores nothing; expected a key of batch.restore_keys(), such as '0f3a2b1c:7:0:4711': "
                "rows, seed, epoch and row"
            )
        return cls(found[1], int(found[2]), int(found[3]), int(found[4]))


def name_of_rows(identity: str) -> str:
    """Eight hexadecimal digits for the identity of a provider: the first of it where it is a digest."""
    return identity[:8] if _DIGEST.fullmatch(identity) else blake3(identity.encode()).hexdigest(length=4)
