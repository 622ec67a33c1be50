"""Folders as sources: order, what is left out, what is refused."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import unquote

import pytest

from headrace.datasets.batches import FileEntry
from headrace.datasets.sources.opening import open_source, read_table_entry
from headrace.errors import InvalidInput, PermissionDenied
from headrace.storage.archive_limits import ArchiveLimits


def entries(path: Path, *, limits: ArchiveLimits | None = None) -> list[FileEntry]:
    source = open_source(path, csv_has_header=True, limits=limits or ArchiveLimits())
    assert source.kind == "files"
    found = list(source.files())
    assert source.num_files == len(found)
    assert source.num_bytes == sum(entry.media.size or 0 for entry in found)
    return found


def test_files_come_in_byte_order_of_their_paths(tmp_path: Path) -> None:
    names = ["b/x.txt", "b-c.txt", "a.txt", "B.txt", "ä.txt", "b/ü/z.txt", "\U0001f600.txt", "\uffee.txt", "b.txt"]
    for name in names:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    found = entries(tmp_path)
    assert [entry.path for entry in found] == sorted(names, key=str.encode)
    assert [entry.media.load().decode() for entry in found] == [entry.path for entry in found]


def test_entries_say_where_their_bytes_lie(tmp_path: Path) -> None:
    path = tmp_path / "a b" / "ü%.txt"
    path.parent.mkdir()
    path.write_bytes(b"12345")
    (entry,) = entries(tmp_path)
    media = entry.media
    assert media.path == str(path)
    assert media.uri == path.as_uri()
    assert unquote(media.uri.removeprefix("file://")) == str(path)
    assert media.version == f"5-{path.stat().st_mtime_ns}"
    assert (media.offset, media.size) == (0, 5)
    assert media.name == str(path)


def test_hidden_files_and_empty_folders_are_left_out(tmp_path: Path) -> None:
    (tmp_path / ".hidden").mkdir()
    (tmp_path / ".hidden" / "a.txt").write_text("x")
    (tmp_path / ".b.txt").write_text("x")
    (tmp_path / "empty").mkdir()
    (tmp_path / "c.txt").write_text("x")
    assert [entry.path for entry in entries(tmp_path)] == ["c.txt"]


@pytest.mark.parametrize("make", ["", "inner", ".hidden"])
def test_folder_without_files_is_refused(tmp_path: Path, make: str) -> None:
    (tmp_path / make).mkdir(exist_ok=True)
    with pytest.raises(InvalidInput, match="empty folder; expected"):
        entries(tmp_path)


def test_link_out_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "secret.txt").write_text("x")
    folder = tmp_path / "folder"
    (folder / "sub").mkdir(parents=True)
    for target in ("../secret.txt", str(tmp_path / "secret.txt"), "..", "/", "sub/../../secret.txt", "../folder-b"):
        link = folder / "link"
        link.symlink_to(target)
        with pytest.raises(InvalidInput, match="leads out of the folder") as caught:
            entries(folder)
        assert "'link'" in caught.value.message
        link.unlink()


def test_link_inside_the_folder_is_followed(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "a.txt").write_text("x")
    (tmp_path / "b.txt").symlink_to("sub/a.txt")
    (tmp_path / "other").symlink_to("sub")
    found = entries(tmp_path)
    assert [entry.path for entry in found] == ["b.txt", "other/a.txt", "sub/a.txt"]
    assert [entry.media.load() for entry in found] == [b"x"] * 3


@pytest.mark.parametrize(("target", "expected"), [(".", "back to a folder"), ("nothing", "leads to nothing")])
def test_link_that_leads_nowhere_is_refused(tmp_path: Path, target: str, expected: str) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "a.txt").write_text("x")
    (tmp_path / "sub" / "link").symlink_to(target)
    with pytest.raises(InvalidInput, match=expected):
        entries(tmp_path)


def test_links_that_multiply_folders_meet_the_limit(tmp_path: Path) -> None:
    for level in range(12):
        folder = tmp_path / str(level)
        folder.mkdir()
        for name in ("x", "y"):
            (folder / name).symlink_to(f"../{level + 1}")
    (tmp_path / "12").mkdir()
    (tmp_path / "12" / "a.txt").write_text("x")
    with pytest.raises(InvalidInput, match="more than 500 entries"):
        entries(tmp_path, limits=ArchiveLimits(max_members=500))


def test_special_file_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InvalidInput, match="pipe"):
        entries(tmp_path)


def test_name_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    with open(os.path.join(os.fsencode(tmp_path), b"caf\xe9.txt"), "wb") as file:
        file.write(b"x")
    with pytest.raises(InvalidInput, match=r"caf\\xe9\.txt"):
        entries(tmp_path)


def test_name_with_a_backslash_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a\\b.txt").write_text("x")
    with pytest.raises(InvalidInput, match="backslash"):
        entries(tmp_path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every folder")
def test_folder_that_may_not_be_read_is_denied(tmp_path: Path) -> None:
    folder = tmp_path / "locked"
    folder.mkdir(mode=0)
    try:
        with pytest.raises(PermissionDenied, match="locked"):
            entries(tmp_path)
    finally:
        folder.chmod(0o700)


def test_tables_inside_are_read_on_request(tmp_path: Path) -> None:
    (tmp_path / "index.csv").write_text("id,label\n1,x\n")
    (tmp_path / "index.jsonl").write_text('{"id": 1}\n')
    (tmp_path / "z.jpg").write_bytes(b"x")
    index_csv, index_jsonl, image = entries(tmp_path)
    (batch,) = read_table_entry(index_csv).batches()
    assert batch.table.to_pylist() == [{"id": "1", "label": "x"}]
    (batch,) = read_table_entry(index_jsonl).batches()
    assert batch.table.to_pylist() == [{"id": 1}]
    with pytest.raises(InvalidInput, match="no table"):
        read_table_entry(image)


def test_error_in_a_table_inside_names_file_and_line(tmp_path: Path) -> None:
    (tmp_path / "index.csv").write_text("id,label\n1\n")
    (entry,) = entries(tmp_path)
    with pytest.raises(InvalidInput) as caught:
        list(read_table_entry(entry).batches())
    assert (caught.value.file, caught.value.line) == (str(tmp_path / "index.csv"), 2)
