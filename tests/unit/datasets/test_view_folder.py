"""Folders that become visible as a whole."""

from __future__ import annotations

from pathlib import Path

import pytest

from headrace.datasets.view_folder import View, ViewFile, existing_view, write_view
from headrace.errors import AlreadyExists, InvalidInput, Unavailable
from headrace.storage.locations import Locations
from headrace.storage.memory import MemoryStore
from tests.scripted_store import fresh_memory_uri

_LOCATIONS = Locations()


def test_files_appear_together_at_the_end(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "view"
    with write_view(str(target), snapshot_id="s", locations=_LOCATIONS) as writer:
        with writer.open("b.csv") as file:
            file.write(b"12345")
        with writer.open("folder/a.csv") as file:
            file.write(b"1")
        assert not target.exists()
    assert writer.view == View(str(target), "s", (ViewFile("b.csv", 5), ViewFile("folder/a.csv", 1)))
    assert (target / "folder" / "a.csv").read_bytes() == b"1"
    assert Path(writer.view) == writer.view.path == target
    assert [path.name for path in target.parent.iterdir()] == ["view"]
    found = existing_view(str(target), snapshot_id="s", locations=_LOCATIONS)
    assert found is not None
    assert sorted(found.files, key=lambda file: file.name) == list(writer.view.files)


def test_error_leaves_nothing(tmp_path: Path) -> None:
    def fail(target: str) -> None:
        with write_view(target, snapshot_id="s", locations=_LOCATIONS) as writer:
            with writer.open("a") as file:
                file.write(b"x")
            raise KeyError("the type's own failure")

    with pytest.raises(KeyError):
        fail(str(tmp_path / "view"))
    assert list(tmp_path.iterdir()) == []
    uri = f"{fresh_memory_uri()}/view"
    with pytest.raises(KeyError):
        fail(uri)
    assert list(MemoryStore(uri).list("")) == []


@pytest.mark.parametrize("name", ["/etc/x", "../x", "a/../../x", ""])
def test_file_never_leaves_the_view(tmp_path: Path, name: str) -> None:
    with (
        write_view(str(tmp_path / "view"), snapshot_id="s", locations=_LOCATIONS) as writer,
        pytest.raises(ValueError, match="in a view"),
        writer.open(name),
    ):
        pass


def test_same_file_twice_is_refused(tmp_path: Path) -> None:
    with write_view(str(tmp_path / "view"), snapshot_id="s", locations=_LOCATIONS) as writer:
        with writer.open("a") as file:
            file.write(b"first")
        with pytest.raises(Unavailable), writer.open("a"):
            pass
    assert (tmp_path / "view" / "a").read_bytes() == b"first"


def test_empty_folder_of_the_user_is_taken(tmp_path: Path) -> None:
    (tmp_path / "view").mkdir()
    with write_view(str(tmp_path / "view"), snapshot_id="s", locations=_LOCATIONS) as writer, writer.open("a") as file:
        file.write(b"x")
    assert (tmp_path / "view" / "a").exists()


def test_view_without_files_is_an_empty_folder(tmp_path: Path) -> None:
    with write_view(str(tmp_path / "view"), snapshot_id="s", locations=_LOCATIONS):
        pass
    assert (tmp_path / "view").is_dir()


def test_folder_that_fills_meanwhile_is_left_as_it_is(tmp_path: Path) -> None:
    def race() -> None:
        with write_view(str(tmp_path / "view"), snapshot_id="s", locations=_LOCATIONS) as writer:
            with writer.open("a") as file:
                file.write(b"mine")
            (tmp_path / "view").mkdir()
            (tmp_path / "view" / "a").write_bytes(b"theirs")

    with pytest.raises(AlreadyExists, match="appeared while the view was written"):
        race()
    assert (tmp_path / "view" / "a").read_bytes() == b"theirs"
    assert [path.name for path in tmp_path.iterdir()] == ["view"]


def test_place_below_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(InvalidInput, match="no folder can be made there"):
        write_view(str(tmp_path / "file" / "view"), snapshot_id="s", locations=_LOCATIONS).__enter__()


def test_store_takes_a_view_once_unless_it_completes_one() -> None:
    uri = f"{fresh_memory_uri()}/view"
    for completes in (False, True):
        with (
            write_view(uri, snapshot_id="s", locations=_LOCATIONS, completes=completes) as writer,
            writer.open("a") as file,
        ):
            file.write(b"x")
    with pytest.raises(AlreadyExists, match="holds objects already"):
        write_view(uri, snapshot_id="s", locations=_LOCATIONS).__enter__()
    assert MemoryStore(uri).get("a") == b"x"
