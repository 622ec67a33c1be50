"""score.similarity against NumPy."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from headrace.curation import find_operator
from headrace.testing import run_operator

SCORE = find_operator("score.similarity")


def test_cosine_is_that_of_numpy_and_scaled() -> None:
    random = np.random.default_rng(0)
    left, right = random.standard_normal((2, 50, 7)).astype(np.float32)
    table = pa.table({"left": list(left), "right": list(right)})
    found = run_operator(SCORE, table, scale=2.5, into="clip")["clip"].to_numpy()
    wide = left.astype(np.float64), right.astype(np.float64)
    wanted = (wide[0] * wide[1]).sum(axis=1) / np.linalg.norm(wide[0], axis=1) / np.linalg.norm(wide[1], axis=1)
    np.testing.assert_allclose(found, 2.5 * wanted, atol=1e-6)
    same = run_operator(SCORE, pa.table({"left": list(left), "right": list(3 * left)}))["similarity"].to_numpy()
    np.testing.assert_allclose(same, 1, atol=1e-6)


def test_null_gives_null_and_useless_vectors_are_told() -> None:
    kind = pa.list_(pa.float32(), 2)
    left = pa.array([[1, 0], None, [0, 0], [1, 0], [float("nan"), 1]], kind)
    right = pa.array([[0, 1], [1, 1], [1, 1], None, [1, 1]], kind)
    found = run_operator(SCORE, pa.table({"left": left, "right": right}))
    assert found["similarity"].to_pylist() == [0.0, None, None, None, None]
    told = "the left vector is zeros, or holds NaN or infinity"
    assert found["_failed"].to_pylist() == [None, None, told, None, told]


def test_vectors_of_different_lengths_have_no_cosine() -> None:
    found = run_operator(
        SCORE,
        pa.table(
            {
                "left": pa.array([[1.0], [1.0, 2.0]], pa.list_(pa.float64())),
                "right": pa.array([[1.0], [2.0]], pa.list_(pa.float64())),
            }
        ),
    )
    assert found["similarity"].to_pylist() == [1.0, None]
    assert found["_failed"].to_pylist() == [None, "vectors of 2 and of 1 numbers have no cosine"]
    assert (
        run_operator(
            SCORE,
            pa.table({"left": pa.array([], pa.list_(pa.float64())), "right": pa.array([], pa.list_(pa.float64()))}),
        ).num_rows
        == 0
    )
