"""Prepared rows through a model, and what came out as a column."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from headrace.curation.applying import FAILED_ROWS
from headrace.curation.encoding.model import Arrays, ModelMismatch
from headrace.curation.encoding.model_settings import ModelSettings
from headrace.curation.encoding.open_model import open_model
from headrace.curation.encoding.vector_columns import vector_array
from headrace.curation.results import OperatorUnusable

__all__ = ["Prepared", "encode_rows"]

Prepared = Arrays | str | None
"""What goes into the model for a row; why nothing can; None where there is nothing to encode"""


def encode_rows(prepared: Sequence[Prepared], settings: ModelSettings) -> dict[str, Any]:
    """`embedding` and `_failed`, each [num_rows], for a batch operator to give.

    Raises:
        OperatorUnusable: The model cannot be opened, or takes or gives something else than the settings say.
        MissingExtra: Its library is not installed.
    """
    num_rows = len(prepared)
    failed: list[str | None] = [row if isinstance(row, str) else None for row in prepared]
    given = {idx: row for idx, row in enumerate(prepared) if row is not None and not isinstance(row, str)}
    is_valid = np.zeros(num_rows, dtype=np.bool_)
    values = np.zeros((num_rows, *settings.shape), dtype=settings.dtype)
    if given:
        try:
            found = open_model(settings).run(list(given.values()))
        except ModelMismatch as error:
            raise OperatorUnusable(f"{settings.operator}: the model {str(settings.model)!r}: {error}") from error
        for idx, result in zip(given, found, strict=True):
            finished = result if isinstance(result, str) else _finished(result, settings)
            if isinstance(finished, str):
                failed[idx] = finished
            else:
                values[idx] = finished
                is_valid[idx] = True
    return {"embedding": vector_array(values, is_valid), FAILED_ROWS: pa.array(failed, pa.string())}


def _finished(
    values: NDArray[np.float32],  # [*shape]
    settings: ModelSettings,
) -> NDArray[Any] | str:
    """The result of a row as it is stored, or why it cannot be."""
    if not np.isfinite(values).all():
        return "the model gives NaN or infinity for it"
    if settings.unit_length:
        wide = values.astype(np.float64)
        length = float(np.sqrt(np.sum(wide * wide)))
        if not length:
            return "the model gives zeros for it, which no length can be given to"
        values = (wide / length).astype(np.float32)
    if settings.dtype == "float16":
        with np.errstate(over="ignore"):
            half = values.astype(np.float16)
        if not np.isfinite(half).all():
            return f"the model gives {np.abs(values).max():g} for it, which float16 does not hold; use dtype: float32"
        return half
    return values
