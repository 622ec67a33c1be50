"""encode.vector on lists of every kind."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch

from headrace.curation import OperatorUnusable, find_operator
from headrace.testing import run_operator
from tests.encode_models import scripted

ENCODE = find_operator("encode.vector")
KINDS = {
    "list": pa.list_(pa.float64()),
    "fixed": pa.list_(pa.float32(), 4),
    "half": pa.list_(pa.float16()),
    "whole": pa.large_list(pa.int32()),
}


@pytest.fixture
def linear(tmp_path: Path) -> tuple[Path, torch.nn.Linear]:
    torch.manual_seed(0)
    module = torch.nn.Linear(4, 3)
    return scripted(module, torch.zeros(2, 4), tmp_path / "linear.pt"), module


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_lists_of_every_kind_are_multiplied(kind: pa.DataType, linear: tuple[Path, torch.nn.Linear]) -> None:
    path, module = linear
    rows = [[1, 2, 3, 4], None, [-4, 0, 2, 1], [0, 0, 0, 0]]
    values = [None if row is None else [np.float16(number) for number in row] for row in rows]
    array = pa.array(values if kind == KINDS["half"] else rows, kind)
    found = run_operator(ENCODE, pa.table({"vector": array}), model=path, shape=[3], input_shape=[4])
    with torch.inference_mode():
        wanted = module(torch.tensor([row for row in rows if row is not None], dtype=torch.float32)).numpy()
    given = [value for value in found["embedding"].to_pylist() if value is not None]
    np.testing.assert_allclose(given, wanted, atol=1e-6)
    assert found["embedding"][1].as_py() is None
    assert found["_failed"].null_count == 4


def test_lists_in_lists_and_slices_keep_their_numbers(tmp_path: Path) -> None:
    class Sums(torch.nn.Module):
        def forward(self, values: torch.Tensor) -> torch.Tensor:  # [batch, 2, 3]
            return values.sum(dim=2)

    path = scripted(Sums(), torch.zeros(2, 2, 3), tmp_path / "sums.pt")
    kind = pa.list_(pa.list_(pa.float32(), 3), 2)
    array = pa.array([[[idx, 1, 2], [3, 4, idx]] for idx in range(6)], kind)
    table = pa.table({"vector": array.slice(2, 3)})
    found = run_operator(ENCODE, table, model=path, shape=[2], input_shape=[2, 3])
    assert found["embedding"].to_pylist() == [[idx + 3.0, 7.0 + idx] for idx in (2, 3, 4)]


def test_rows_that_cannot_be_used_are_told(linear: tuple[Path, torch.nn.Linear]) -> None:
    rows = [[1.0, 2.0, 3.0, 4.0], [1.0], [1.0, None, 3.0, 4.0], [1.0, float("nan"), 3.0, 4.0], []]
    table = pa.table({"vector": pa.array(rows, pa.list_(pa.float64()))})
    found = run_operator(ENCODE, table, model=linear[0], shape=[3], input_shape=[4])
    assert found["_failed"].to_pylist() == [
        None,
        "it has 1 numbers, and input_shape is [4]: 4",
        "there is a null among its numbers",
        "there is NaN or infinity in it",
        "it has 0 numbers, and input_shape is [4]: 4",
    ]


def test_column_without_lists_stops_the_run(linear: tuple[Path, torch.nn.Linear]) -> None:
    with pytest.raises(OperatorUnusable, match="the column holds string"):
        run_operator(ENCODE, pa.table({"vector": ["a"]}), model=linear[0], shape=[3], input_shape=[4])
