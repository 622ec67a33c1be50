"""What names the rows of an index: unique, and never null."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from headrace.datasets.columns import check_key_column
from headrace.errors import InvalidInput

__all__ = ["check_key_values"]


def check_key_values(pieces: Sequence[pa.Array], *, column: str, name: str) -> None:
    """Raise `InvalidInput` for a key that is null, or that two rows share: both are named."""
    if not pieces:
        return
    kind = pieces[0].type
    check_key_column(pa.field(column, kind))
    # One array: chunks would each be compared with the dictionary of all the others.
    values = pa.concat_arrays(
        [piece.cast(pa.large_string()) if pa.types.is_string(kind) else piece for piece in pieces]
    )
    if values.null_count:
        row = int(np.flatnonzero(values.is_null().to_numpy(zero_copy_only=False))[0])
        raise InvalidInput(f"row {row} has no value; a key names every row", file=name, column=column)
    encoded = values.dictionary_encode()
    if len(encoded.dictionary) == len(values):
        return
    codes = encoded.indices.to_numpy()
    order = np.argsort(codes, kind="stable")
    second = int(np.min(order[1:][codes[order][1:] == codes[order][:-1]]))
    first = int(np.flatnonzero(codes == codes[second])[0])
    raise InvalidInput(
        f"rows {first} and {second} both have the key {values[second].as_py()!r}; a key names one row. Remove one, or "
        "leave IndexOptions.key out, which names rows by their number",
        file=name,
        column=column,
    )
