"""Values made without `pa.array` are what it makes."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from headrace.storage.arrow_values import places, row_numbers, zero


@pytest.mark.parametrize("rows", [np.array([], np.int64), np.array([3, 1, 2]), np.arange(9, dtype=np.int32)[::2]])
def test_row_numbers_are_those_of_arrow(rows: np.ndarray) -> None:
    assert row_numbers(rows).equals(pa.array(rows, pa.int64()))


@pytest.mark.parametrize("values", [[], [3, None, 1], list(range(100, 0, -1))])
def test_places_are_what_was_sorted_also_of_a_slice(values: list[int | None]) -> None:
    indices = pc.sort_indices(pa.array(values, pa.int64()))
    assert places(indices).tolist() == indices.to_pylist()
    assert places(indices[1:]).tolist() == indices.to_pylist()[1:]


@pytest.mark.parametrize("type_", [pa.float16(), pa.float32(), pa.float64()])
def test_zero_is_positive(type_: pa.DataType) -> None:
    assert zero(type_).type == type_
    assert str(zero(type_).as_py()) == "0.0"


def test_nothing_here_imports_pandas() -> None:
    program = (
        "import sys, numpy as np, pyarrow as pa, pyarrow.compute as pc\n"
        "from headrace.storage.arrow_values import places, row_numbers, zero\n"
        "places(pc.sort_indices(row_numbers(np.array([2, 1])))), zero(pa.float64())\n"
        "print('pandas' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
