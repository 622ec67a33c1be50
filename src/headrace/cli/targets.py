"""From a reference on the command line to the thing it names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headrace.schema.references import Reference

if TYPE_CHECKING:
    from headrace.datasets.dataset import Dataset
    from headrace.datasets.lake import Lake
    from headrace.datasets.snapshot import Snapshot

__all__ = [
    "dataset_text",
    "open_dataset",
    "open_existing_lake",
    "open_lake",
    "open_lake_of",
    "open_snapshot",
    "snapshot_text",
]

_SHORT_ID = 12  # hex digits; references take 8 or more


def open_lake(uri: str) -> Lake:
    """The lake at a URI; imports the library only now."""
    from headrace import connect

    return connect(uri)


def open_existing_lake(uri: str) -> Lake:
    """The lake at a URI, for commands about all of it.

    Raises:
        NotFound: There is none; names the command that creates one.
    """
    lake = open_lake(uri)
    lake.require_exists()
    return lake


def open_lake_of(reference: Reference) -> Lake:
    """The lake that a reference names."""
    return open_lake(_lake_uri(reference))


def open_dataset(reference: Reference) -> Dataset:
    """The dataset that a reference names."""
    return open_lake_of(reference).dataset(reference.dataset)


def open_snapshot(reference: Reference) -> Snapshot:
    """The snapshot that a reference names."""
    return open_lake_of(reference).snapshot(f"{reference.dataset}{reference.selector}")


def dataset_text(reference: Reference) -> str:
    """LAKE::DATASET without a selector, for the next command."""
    return f"{_lake_uri(reference)}::{reference.dataset}"


def snapshot_text(reference: Reference, *, snapshot_id: str, alias: str | None) -> str:
    """LAKE::DATASET@alias or @id:HEX, for the next command."""
    return f"{dataset_text(reference)}@{alias or f'id:{snapshot_id[:_SHORT_ID]}'}"


def _lake_uri(reference: Reference) -> str:
    if reference.lake is None:  # the parameter types refuse such a reference
        raise RuntimeError(f"reference {reference} without a lake")
    return reference.lake
