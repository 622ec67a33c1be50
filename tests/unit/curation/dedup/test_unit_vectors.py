"""Embeddings become vectors of length 1, and rows without one are told."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from headrace.curation.dedup.unit_vectors import cosines, product_error, unit_vectors
from headrace.errors import InvalidInput

ROWS = [[3.0, 4.0], None, [0.0, 0.0], [float("nan"), 1.0], [float("inf"), 1.0], [1.0, None], [-1e30, 0.0], [1e-30, 0.0]]


@pytest.mark.parametrize("name", ["fixed", "list", "large", "double"])
def test_rows_without_direction_have_no_vector(name: str) -> None:
    kinds = {
        "fixed": pa.list_(pa.float32(), 2),
        "list": pa.list_(pa.float32()),
        "large": pa.large_list(pa.float32()),
        "double": pa.list_(pa.float64(), 2),
    }
    array = pa.array([[9.0, 9.0], *ROWS], kinds[name]).slice(1)
    vectors, is_valid = unit_vectors(array, subject="x")
    assert is_valid.tolist() == [True, False, False, False, False, False, True, True]
    np.testing.assert_allclose(vectors[0], [0.6, 0.8], rtol=1e-6)
    assert vectors[6].tolist() == [-1, 0]
    assert vectors[7].tolist() == [1, 0]
    assert not vectors[~is_valid].any()


def test_half_floats_and_nothing() -> None:
    vectors, is_valid = unit_vectors(pa.array([[np.float16(1), np.float16(0)]], pa.list_(pa.float16(), 2)), subject="x")
    assert (vectors.tolist(), is_valid.tolist()) == ([[1, 0]], [True])
    for empty in (pa.array([], pa.list_(pa.float32(), 3)), pa.array([None, None], pa.list_(pa.float32()))):
        vectors, is_valid = unit_vectors(empty, subject="x")
        assert len(vectors) == len(empty)
        assert not is_valid.any()


def test_other_columns_are_refused() -> None:
    with pytest.raises(InvalidInput, match=r"column 'e' holds string; expected lists of floats"):
        unit_vectors(pa.array(["x"]), subject="column 'e'")
    with pytest.raises(InvalidInput, match="vectors of 1 and of 2 numbers"):
        unit_vectors(pa.array([[1.0], [1.0, 2.0]]), subject="e")


@pytest.mark.parametrize("num_dimensions", [1, 3, 64, 1_536])
def test_error_of_products_is_within_its_bound(num_dimensions: int) -> None:
    random = np.random.default_rng(num_dimensions)
    vectors = random.normal(size=(200, num_dimensions))
    units = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    left, right = np.divmod(np.arange(40_000), 200)
    products = (units @ units.T).reshape(-1)
    assert np.abs(products - cosines(units, left, right)).max() < product_error(num_dimensions)
