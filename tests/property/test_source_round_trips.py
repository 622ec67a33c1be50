"""Whatever is written as CSV, tar or zip comes back the same, with the right lines and places."""

from __future__ import annotations

import csv
import io
import tarfile
import tempfile
import unicodedata
import zipfile
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from headrace.datasets.sources.opening import open_source
from headrace.errors import InvalidInput

TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12) | st.text(
    st.sampled_from('",\r\n \\;a'), max_size=8
)
NAME_PART = st.text(st.characters(codec="utf-8", exclude_characters="\0/\\"), min_size=1, max_size=20).filter(
    lambda part: not part.startswith(".")
)
NAME = (
    st.lists(NAME_PART, min_size=1, max_size=3)
    .map("/".join)
    .filter(lambda name: name[1:2] != ":" and not name.startswith("__MACOSX/"))
)
MEMBERS = st.dictionaries(NAME, st.binary(max_size=1500), min_size=1, max_size=6).filter(
    lambda members: len({unicodedata.normalize("NFC", name) for name in members}) == len(members)
)


@given(st.lists(st.lists(TEXT, min_size=1, max_size=4), min_size=1, max_size=20), st.sampled_from(["\n", "\r\n"]))
def test_csv_rows_come_back_with_their_lines(rows: list[list[str]], line_end: str) -> None:
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, quoting=csv.QUOTE_ALL, lineterminator=line_end)
    lines = []
    for row in rows:
        lines.append(buffer.getvalue().count("\n") + 1)
        writer.writerow(row)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.csv"
        path.write_bytes(buffer.getvalue().encode())
        source = open_source(path, csv_has_header=False)
        assert source.kind == "table"
        (batch,) = source.batches()
    assert batch.extra_fields is not None
    texts = batch.table.column("text").to_pylist()
    assert [[text, *extra] for text, extra in zip(texts, batch.extra_fields)] == rows
    assert batch.lines == lines


@given(st.binary(max_size=200))
def test_csv_of_any_bytes_is_read_or_refused_with_its_file(data: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.csv"
        path.write_bytes(data)
        file: str | None = str(path)
        try:
            source = open_source(path, csv_has_header=False)
            assert source.kind == "table"
            list(source.batches())
        except InvalidInput as error:
            file = error.file
        assert file == str(path)


@given(MEMBERS, st.sampled_from([tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]), st.sampled_from(["", ":gz"]))
def test_tar_members_come_back(members: dict[str, bytes], tar_format: int, compression: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / ("a.tar" + compression.replace(":", "."))
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w:gz" if compression else "w", format=tar_format) as tar:
            for name, data in members.items():
                entry = tarfile.TarInfo(name)
                entry.size = len(data)
                tar.addfile(entry, io.BytesIO(data))
        path.write_bytes(buffer.getvalue())
        source = open_source(path, csv_has_header=False)
        assert source.kind == "files"
        assert [(entry.path, entry.media.load()) for entry in source.files()] == list(members.items())


@given(MEMBERS, st.sampled_from([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED]))
def test_zip_members_come_back(members: dict[str, bytes], method: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.zip"
        with zipfile.ZipFile(path, "w", method) as archive:
            for name, data in members.items():
                archive.writestr(name, data)
        source = open_source(path, csv_has_header=False)
        assert source.kind == "files"
        assert [(entry.path, entry.media.load()) for entry in source.files()] == list(members.items())
