"""Options of a streaming dataset: validated at the border, frozen inside."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from headrace.streaming.order import MAX_CUSTOM_LANES, MAX_WINDOW_BLOCKS

__all__ = ["IndexOptions", "OnError", "ShuffleOptions"]

OnError = Literal["raise", "substitute"]


class ShuffleOptions(BaseModel):
    """How samples are ordered. `shuffle=None` at the dataset keeps the plan's own order."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    seed: int = Field(default=0, ge=0, lt=2**63, description="The same seed gives the same order on any machine.")
    mode: Literal["auto", "global", "block"] = Field(
        default="auto",
        description=(
            'One permutation over all rows ("global"), or one that reads neighbours together ("block"); "auto" takes '
            "global on local disk and block on object stores."
        ),
    )
    lanes: int | None = Field(
        default=None,
        ge=1,
        le=MAX_CUSTOM_LANES,
        description="Lanes of mode block; by default the largest divisor of the global batch up to 128 that fits.",
    )
    block_rows: int | None = Field(
        default=None, ge=1, description="Rows of a block; by default about 8 MB of them, 64 to 4,096."
    )
    window_blocks: int = Field(default=8, ge=1, le=MAX_WINDOW_BLOCKS, description="Blocks whose rows a lane mixes.")


class IndexOptions(BaseModel):
    """How a source that is no snapshot is read."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    media: tuple[str, ...] | None = Field(
        default=None,
        description=(
            "Columns of a table whose values are paths or URIs of media; by default those whose first values end "
            "in a known extension of media. Relative paths start at the index file."
        ),
    )
    key: str | None = Field(
        default=None, description="Column whose values name the samples; by default the row number."
    )
    split: str | None = Field(
        default=None,
        description=(
            'Which split of a folder of a Hugging Face repository; by default "train", or the only one that it has.'
        ),
    )
    csv_has_header: bool = Field(default=True, description="Whether the first row of CSV files names the columns.")
    directory: Path | None = Field(
        default=None,
        description=(
            "Where plans and pages are kept. By default below a local lake's derived/ folder, else in "
            "$HEADRACE_CACHE or ~/.cache/headrace."
        ),
    )
