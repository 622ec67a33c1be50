"""What became of the rows of one stage."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import pyarrow as pa

from headrace.curation.stage_rows import StageRows

__all__ = ["DROPPED_SCHEMA", "FAILED_SCHEMA", "StageResult"]

DROPPED_SCHEMA: Final = pa.schema(
    [
        pa.field("_id", pa.string()),
        pa.field("operator", pa.string()),
        pa.field("reason", pa.string()),
        pa.field("value", pa.string()),  # what was measured
        pa.field("threshold", pa.string()),
    ]
)
FAILED_SCHEMA: Final = pa.schema(
    [
        pa.field("_id", pa.string()),
        pa.field("operator", pa.string()),
        pa.field("class", pa.string()),  # of the error
        pa.field("message", pa.string()),
        pa.field("attempt", pa.int16()),
    ]
)


@dataclass(frozen=True, slots=True)
class StageResult:
    """Rows that went on, and records of those that did not.

    Attributes:
        num_in: Rows that came.
        rows: Those that go on, in their order.
        dropped: `DROPPED_SCHEMA`.
        failed: The quarantine, `FAILED_SCHEMA`.
        calls: How many rows each operator was called for now; the others were known.
    """

    num_in: int
    rows: StageRows
    dropped: StageRows
    failed: StageRows
    calls: dict[str, int]

    def to_json(self) -> dict[str, Any]:
        """The document that is kept; without the calls, which belong to one run."""
        return {
            "num_in": self.num_in,
            "rows": self.rows.to_json(),
            "dropped": self.dropped.to_json(),
            "failed": self.failed.to_json(),
        }

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> StageResult:
        """What `to_json` made."""
        return cls(
            num_in=document["num_in"],
            rows=StageRows.from_json(document["rows"]),
            dropped=StageRows.from_json(document["dropped"]),
            failed=StageRows.from_json(document["failed"]),
            calls={},
        )
