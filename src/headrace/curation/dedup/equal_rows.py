"""Rows with equal values, looked at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headrace.curation.dedup.components import Components
from headrace.curation.dedup.scope import Scope

__all__ = ["EqualRows"]


@dataclass(frozen=True, slots=True)
class EqualRows:
    """Rows as nodes: one for each different value of each group, in the order of group, then value.

    Attributes:
        node_of: Node of each row, [num_rows].
        first_rows: The first row of each node, [num_nodes].
        value_codes: A number for the value of each node, the same in all groups, [num_nodes].
        scope: Groups of the nodes.
    """

    node_of: NDArray[np.int64]
    first_rows: NDArray[np.int64]
    value_codes: NDArray[np.int64]
    scope: Scope

    @classmethod
    def of_values(
        cls,
        values: NDArray[Any],  # [num_rows], of a type that can be sorted
        scope: Scope,  # of the rows
    ) -> EqualRows:
        """The nodes of rows with these values."""
        different, codes = np.unique(values, return_inverse=True)
        codes = codes.reshape(-1).astype(np.int64)  # [num_rows]
        pairs = scope.codes * max(len(different), 1) + codes
        _, first_rows, node_of = np.unique(pairs, return_index=True, return_inverse=True)
        return cls(node_of.reshape(-1).astype(np.int64), first_rows, codes[first_rows], scope.of(first_rows))

    @property
    def num_nodes(self) -> int:
        """How many there are."""
        return len(self.first_rows)

    def first_of(self, values: NDArray[Any]) -> NDArray[Any]:
        """For each node the value of its first row, [num_nodes]."""
        return values[self.first_rows]

    def join_equal(self, found: Components) -> None:
        """Join nodes of different groups that have equal values, where rows are compared across groups."""
        if self.scope.is_across:
            order = np.argsort(self.value_codes, kind="stable")
            is_same = self.value_codes[order[1:]] == self.value_codes[order[:-1]]
            found.join(order[1:][is_same], order[:-1][is_same])

    def row_clusters(self, found: Components) -> NDArray[np.int64]:
        """The smallest row of each row's cluster, [num_rows].

        Equal rows are together; across groups only if another group has a row that is near.
        """
        num_rows = len(self.node_of)
        labels = found.labels[self.node_of]  # [num_rows]
        if self.scope.is_across:
            sizes = np.bincount(found.labels, minlength=self.num_nodes)  # nodes of each component
            labels = np.where(sizes[labels] > 1, labels, self.num_nodes + np.arange(num_rows))
        smallest = np.full(self.num_nodes + num_rows, num_rows, dtype=np.int64)
        np.minimum.at(smallest, labels, np.arange(num_rows))
        return smallest[labels]
