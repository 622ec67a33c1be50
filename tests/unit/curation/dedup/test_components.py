"""Components are those of scipy, whatever the order of the links."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.curation.dedup.components import Components
from proofs.operators.dedup_oracles import clusters_by_scipy


@given(st.integers(1, 30), st.lists(st.tuples(st.integers(0, 29), st.integers(0, 29)), max_size=60), st.integers(1, 9))
def test_components_are_those_of_scipy(num_nodes: int, links: list[tuple[int, int]], step: int) -> None:
    pairs = np.array([(a % num_nodes, b % num_nodes) for a, b in links], dtype=np.int64).reshape(-1, 2)
    found = Components(num_nodes)
    for start in range(0, len(pairs), step):
        found.join(pairs[start : start + step, 0], pairs[start : start + step, 1])
    linked = np.zeros((num_nodes, num_nodes), dtype=np.bool_)
    linked[pairs[:, 0], pairs[:, 1]] = True
    assert found.labels.tolist() == clusters_by_scipy(linked | linked.T).tolist()


@pytest.mark.parametrize("order", ["up", "down", "mixed", "star"])
def test_long_chains_and_stars_need_few_rounds(order: str) -> None:
    """Seconds if each round shortened a chain by one."""
    num_nodes = 200_000
    left = np.arange(num_nodes - 1)
    right = np.full(num_nodes - 1, num_nodes - 1) if order == "star" else left + 1
    if order == "mixed":
        names = np.random.default_rng(1).permutation(num_nodes)
        left, right = names[left], names[right]
    step = -1 if order == "down" else 1
    found = Components(num_nodes)
    found.join(left[::step], right[::step])
    assert not found.labels.any()
