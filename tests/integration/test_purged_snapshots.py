"""A snapshot that was opened before a purge writes nothing of the purged rows anywhere."""

from __future__ import annotations

from pathlib import Path

import pytest

import headrace
from headrace.datasets.dataset import Dataset
from headrace.datasets.snapshot import Snapshot
from headrace.errors import Conflict
from headrace.progress import NoProgress

_CANARY = b"canary-of-a-purged-row"


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    lake = headrace.connect(tmp_path / "lake")
    rows = [{"text": f"row {number}", "labels": ["kept"]} for number in range(9)]
    return lake.create_dataset("texts", "TEXT_INTENT", source=[*rows, {"text": _CANARY.decode(), "labels": ["gone"]}])


@pytest.fixture
def held(dataset: Dataset) -> Snapshot:
    """Read before the purge, so that this process has its parts in memory."""
    snapshot = dataset.snapshot()
    assert snapshot.to_arrow().num_rows == 10
    dataset.purge(where="list_contains(labels, 'gone')")
    dataset.lake.gc(grace_seconds=0)
    return snapshot


def _files_with_canary(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and _CANARY in path.read_bytes()]


def test_held_snapshot_is_not_materialised(held: Snapshot, tmp_path: Path) -> None:
    for target in (None, str(tmp_path / "elsewhere")):
        with pytest.raises(Conflict, match="purged since this snapshot was opened; open it again"):
            held.materialise(target)
    assert _files_with_canary(tmp_path) == []


def test_held_snapshot_is_not_packed(held: Snapshot) -> None:
    with pytest.raises(Conflict, match="purged since this snapshot was opened"):
        held.pack()
    assert held.dataset.lake.verify().ok


def test_snapshot_opened_again_is_materialised_and_packed(held: Snapshot, tmp_path: Path) -> None:
    again = held.dataset.snapshot()
    assert again.id == held.id
    again.materialise()
    assert again.pack().num_rows == 9
    assert _files_with_canary(tmp_path) == []


def test_view_that_a_purge_overtook_goes(dataset: Dataset, tmp_path: Path) -> None:
    class Overtaken(NoProgress):
        """A purge and a collection between the writing and the end."""

        def finish(self) -> None:
            other = headrace.connect(tmp_path / "lake").dataset("texts")
            other.purge(where="list_contains(labels, 'gone')")
            other.lake.gc(grace_seconds=0)

    with pytest.raises(Conflict, match="purged since"):
        dataset.snapshot().materialise(progress=Overtaken())
    assert _files_with_canary(tmp_path) == []
