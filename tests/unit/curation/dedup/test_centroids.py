"""Centroids move to the middle of their vectors, the same way on any machine."""

from __future__ import annotations

import numpy as np
import pytest

from headrace.curation.dedup.centroids import fit_centroids, nearest_centroids
from headrace.curation.dedup.vector_products import BlasProducts
from tests.unit.curation.dedup.test_near_vectors import NoisyProducts, planted, units


def test_centroids_are_where_scikit_learn_has_them() -> None:
    """Far apart groups, one of their vectors each to begin with: the means are the answer, drawn to length 1."""
    cluster = pytest.importorskip("sklearn.cluster", reason="scikit-learn is not installed")
    random = np.random.default_rng(2)
    corners = np.eye(4)[np.arange(400) % 4]
    vectors = units(corners + random.normal(size=(400, 4)) * 0.1)
    found = fit_centroids(vectors, num_centroids=4, num_rounds=20, products=BlasProducts())
    wanted = cluster.KMeans(4, init=vectors[:4], n_init=1).fit(vectors).cluster_centers_
    wanted /= np.linalg.norm(wanted, axis=1, keepdims=True)
    np.testing.assert_allclose(found, wanted, atol=1e-5)


def test_other_products_give_the_same_centroids_bit_by_bit() -> None:
    vectors = planted(800, seed=4)
    wanted = fit_centroids(vectors, num_centroids=30, num_rounds=6, products=BlasProducts())
    for seed in range(3):
        found = fit_centroids(vectors, num_centroids=30, num_rounds=6, products=NoisyProducts(seed))
        assert found.tobytes() == wanted.tobytes()


def test_nearest_are_those_of_all_products() -> None:
    vectors, centroids = planted(500, seed=6), planted(40, seed=7)
    found = nearest_centroids(vectors, centroids, count=3, products=BlasProducts())
    exact = vectors.astype(np.float64) @ centroids.astype(np.float64).T
    assert np.sort(found, axis=1).tolist() == np.sort(np.argsort(-exact, axis=1)[:, :3], axis=1).tolist()
    everyone = nearest_centroids(vectors, centroids[:2], count=2, products=BlasProducts())
    assert np.sort(everyone, axis=1).tolist() == [[0, 1]] * 500
