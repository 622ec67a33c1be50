"""What was derived from the logs is made anew; ids stay."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

import headrace
from headrace.cli.main import cli
from headrace.errors import DataCorrupted, NotFound
from headrace.storage.checkpoints import INTERVAL


def _ids(folder: Path) -> list[object]:
    lake = headrace.connect(folder)
    dataset = lake.dataset("rows")
    return [dataset.id, [commit.digest for commit in dataset.log()], dataset.snapshots, dataset.select().id]


def _checkpoints(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file() and "checkpoints" in path.parts)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    lake = headrace.connect(tmp_path / "lake")
    dataset = lake.create_dataset("rows", "TABLE", source=[{"a": 0}])
    for number in range(INTERVAL):
        dataset.commit([{"a": number}])
    dataset.snapshot()
    return tmp_path / "lake"


def test_rebuilding_keeps_every_id_and_writes_new_checkpoints(folder: Path) -> None:
    before = _ids(folder)
    old = _checkpoints(folder)
    assert old
    for path in old:
        path.write_bytes(b"damaged")
    report = headrace.connect(folder).rebuild()
    assert (report.num_datasets, report.num_removed) == (1, len(old))
    assert report.num_entries == INTERVAL + 4  # create-dataset; create, 65 commits, snapshot
    assert _ids(folder) == before
    assert all(path.read_bytes() != b"damaged" for path in _checkpoints(folder))
    assert headrace.connect(folder).verify().ok


def test_lake_of_logs_and_objects_alone_has_the_same_ids(folder: Path) -> None:
    before = _ids(folder)
    for path in _checkpoints(folder):
        path.unlink()
    assert _ids(folder) == before


def test_writer_that_goes_on_writes_whole_checkpoints(folder: Path) -> None:
    writer = headrace.connect(folder).dataset("rows")
    writer.commit([{"a": -1}])
    headrace.connect(folder).rebuild()
    for number in range(INTERVAL):
        writer.commit([{"a": number}])
    assert headrace.connect(folder).verify().ok


def test_damaged_log_is_not_rebuilt(folder: Path) -> None:
    (entry,) = folder.glob("datasets/*/log/0000000003.json")
    entry.write_bytes(entry.read_bytes().replace(b"commit", b"comnit"))
    kept = _checkpoints(entry.parent.parent)
    with pytest.raises(DataCorrupted, match=r"0000000003\.json"):
        headrace.connect(folder).rebuild()
    assert _checkpoints(entry.parent.parent) == kept


def test_command(folder: Path) -> None:
    result = CliRunner().invoke(cli, ["rebuild", str(folder), "--json"])
    assert result.exit_code == 0
    assert json.loads(result.stdout)["num_datasets"] == 1
    assert CliRunner().invoke(cli, ["rebuild", str(folder / "none")]).exit_code == 3


def test_missing_lake(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        headrace.connect(tmp_path / "none").rebuild()
