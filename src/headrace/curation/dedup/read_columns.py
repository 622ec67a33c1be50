"""Which columns a dedup operator reads, by its settings."""

from __future__ import annotations

from collections.abc import Mapping

import pyarrow as pa

from headrace.curation.dedup.kept_rows import keep_columns

__all__ = ["read_columns"]


def read_columns(settings: Mapping[str, object], schema: pa.Schema) -> list[str]:
    """Those of `column`, `within`, `across` and `keep`, for `@operator(reads=...)`.

    These settings are no `Column`: numbers in columns that settings name are taken for what rows were dropped by, and
    get histograms with the cut. Rows leave by their distance here, which is no column that comes in.

    Raises:
        InvalidInput: `keep` lacks a column, or its order is none.
    """
    named = [settings["column"], settings["within"], settings["across"], *keep_columns(settings["keep"])]
    return [str(name) for name in named if name]
