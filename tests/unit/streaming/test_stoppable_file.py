"""A stoppable file holds what was written, and stops where it is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from headrace.streaming.stoppable_file import StoppableFile


def test_file_holds_what_was_written(tmp_path: Path) -> None:
    pieces: list[bytes | memoryview] = [
        b"ab",
        b"",
        bytes(range(256)) * 300_000,
        memoryview(b"end"),
    ]  # more than one sync
    with StoppableFile(str(tmp_path / "f"), lambda: None) as file:
        assert [file.write(piece) for piece in pieces] == [len(piece) for piece in pieces]
        assert file.tell() == sum(len(piece) for piece in pieces)
    assert (tmp_path / "f").read_bytes() == b"".join(bytes(piece) for piece in pieces)


def test_check_ends_the_writing_between_pieces(tmp_path: Path) -> None:
    calls = iter(range(3))

    def check() -> None:
        if next(calls) == 2:
            raise KeyError("enough")

    with StoppableFile(str(tmp_path / "f"), check) as file, pytest.raises(KeyError, match="enough"):
        file.write(bytes(64 << 20))
    assert 0 < (tmp_path / "f").stat().st_size < 64 << 20
