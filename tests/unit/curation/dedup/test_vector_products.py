"""Products by torch lead to the same clusters as those by BLAS."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest

from headrace.curation.dedup.near_vectors import near_vector_clusters
from headrace.curation.dedup.scope import Scope
from headrace.curation.dedup.vector_products import BlasProducts, VectorProducts
from proofs.operators.dedup_oracles import generated_embeddings


@pytest.fixture(params=["BLAS", "torch"])
def products(request: pytest.FixtureRequest) -> VectorProducts:
    if request.param == "BLAS":
        return BlasProducts()
    pytest.importorskip("torch", reason="torch is not installed")
    from headrace.curation.dedup.torch_products import TorchProducts

    return TorchProducts.on_gpu() or TorchProducts("cpu")


def vectors_of(num_rows: int) -> np.ndarray:
    table = generated_embeddings(num_rows, seed=1)
    vectors = np.array([each or [0.0] * 48 for each in table["embedding"].to_pylist()], dtype=np.float64)
    lengths = np.sqrt((vectors * vectors).sum(axis=1, keepdims=True))
    return (vectors / np.where(lengths > 0, lengths, 1)).astype(np.float32)


def test_products_are_those_of_numpy(products: VectorProducts) -> None:
    vectors = vectors_of(300)
    left, right = vectors[:120], vectors[120:]
    exact = left.astype(np.float64) @ right.astype(np.float64).T
    found = np.full(exact.shape, np.nan)
    for rows, columns, values in products.at_least(left, right, 0.3):
        found[rows, columns] = values
    sure = np.abs(exact - 0.3) > 1e-5
    assert (np.isfinite(found) == (exact >= 0.3))[sure].all()
    np.testing.assert_allclose(found[np.isfinite(found)], exact[np.isfinite(found)], atol=1e-5)
    places, values = products.largest(left, right, 4)
    np.testing.assert_allclose(values, -np.sort(-exact, axis=1)[:, :4], atol=1e-5)
    np.testing.assert_allclose(np.take_along_axis(exact, places, axis=1), values, atol=1e-5)


def test_clusters_are_those_of_blas(products: VectorProducts) -> None:
    vectors = vectors_of(1_000)

    def found(by: VectorProducts) -> list[int]:
        scope = Scope(np.zeros(len(vectors), dtype=np.int64))
        clusters = near_vector_clusters(
            vectors, scope, threshold=0.9, num_cells=None, num_probes=2, seed=0, products=by
        )
        return [int(each) for each in clusters]

    assert found(products) == found(BlasProducts())


def test_nothing_to_multiply(products: VectorProducts) -> None:
    nothing = np.empty((0, 3), dtype=np.float32)
    some = np.ones((2, 3), dtype=np.float32)
    assert sum(len(rows) for rows, _, _ in products.at_least(nothing, some, 0.5)) == 0
    assert sum(len(rows) for rows, _, _ in products.at_least(some, nothing, 0.5)) == 0


def test_hidden_gpus_are_not_used_and_torch_is_not_imported() -> None:
    program = (
        "import sys; from headrace.curation.dedup.vector_products import BlasProducts, available_products; "
        "assert isinstance(available_products(), BlasProducts) and 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True, env={**os.environ, "CUDA_VISIBLE_DEVICES": ""})
