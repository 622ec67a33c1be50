"""A large index is read from memory until its pages are written; whoever comes later waits for them."""

from __future__ import annotations

import logging
import multiprocessing
import os
import pickle
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from headrace.errors import InvalidInput, Unavailable
from headrace.streaming import DataLoader, IndexOptions, StreamingDataset
from headrace.streaming.file_lock import FileLock
from headrace.streaming.index_pages import PageWriter
from headrace.streaming.index_rows import IndexRows
from headrace.streaming.pages import PageFolder

NUM_ROWS = 200_000
_TEXT_BYTES = 120  # so that the pages are written by a thread


def write_large(path: Path, *, keys: Sequence[int] | np.ndarray | None = None) -> Path:
    """A table of about 30 MB in memory; the text of a row follows from its key."""
    rows = np.arange(NUM_ROWS) if keys is None else np.asarray(keys)
    texts = [f"{row:0{_TEXT_BYTES}d}" for row in rows.tolist()]
    pq.write_table(pa.table({"key": rows, "text": texts}), path, row_group_size=30_000)
    return path


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_large(tmp_path_factory.mktemp("index") / "large.parquet")


@pytest.fixture
def options(tmp_path: Path) -> IndexOptions:
    return IndexOptions(directory=tmp_path / "cache", key="key")


def _rows_of(data: StreamingDataset) -> IndexRows:
    assert isinstance(data.provider, IndexRows)
    return data.provider


def _first(data: StreamingDataset, *, num_batches: int = 3) -> list[tuple[list[int], list[str]]]:
    found = []
    with DataLoader(data, batch_size=64, num_workers=2, workers="threads") as loader:
        for _, batch in zip(range(num_batches), loader, strict=False):
            found.append((batch["key"].tolist(), list(batch["text"])))
    return found


def _files(options: IndexOptions) -> list[str]:
    """But for locks."""
    assert options.directory is not None
    return sorted(path.name for path in options.directory.rglob("*.*") if path.suffix != ".lock")


def _check(batches: list[tuple[list[int], list[str]]]) -> None:
    for keys, texts in batches:
        assert texts == [f"{key:0{_TEXT_BYTES}d}" for key in keys]


def test_rows_from_memory_and_from_pages_are_the_same(large: Path, options: IndexOptions) -> None:
    data = StreamingDataset(large, index=options)
    rows = np.random.default_rng(0).integers(0, NUM_ROWS, 200)
    columns = ("_id", "key", "text")
    in_memory = data.provider.read(rows, columns)
    one = data.provider.read_one(199_999, columns)
    assert not _files(options)
    before = _first(data)
    _check(before)
    assert sum(table.num_rows for table in data.provider.narrow(["key"])) == NUM_ROWS
    assert _rows_of(data).wait_for_pages(timeout_seconds=60)
    assert [name.rpartition(".")[2] for name in _files(options)] == ["arrow", "json"]
    assert data.provider.read(rows, columns) == in_memory
    assert data.provider.read_one(199_999, columns) == one
    assert _first(data) == before
    again = StreamingDataset(large, index=options)
    assert _rows_of(again).wait_for_pages(timeout_seconds=0)
    assert again.provider.identity == data.provider.identity
    assert again.provider.read(rows, columns) == in_memory


def test_filter_sees_rows_that_are_in_memory(large: Path, options: IndexOptions) -> None:
    data = StreamingDataset(large, index=options, where="key % 1000 = 7", shuffle=None)
    assert [data[idx]["key"] for idx in (0, 1, -1)] == [7, 1_007, 199_007]


def test_first_opening_imports_neither_pandas_nor_duckdb(large: Path, tmp_path: Path) -> None:
    """Each takes longer than a fifth of a second."""
    program = (
        "import sys\nfrom headrace.streaming import DataLoader, IndexOptions, StreamingDataset\n"
        f"options = IndexOptions(directory={str(tmp_path)!r}, key='key')\n"
        f"next(iter(DataLoader(StreamingDataset({str(large)!r}, index=options), batch_size=4, num_workers=0)))\n"
        "print([name for name in ('pandas', 'duckdb') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("workers", ["subprocess", "processes"])
@pytest.mark.parametrize("start_method", ["fork", "spawn"])
def test_worker_processes_wait_for_the_pages(
    large: Path,
    options: IndexOptions,
    workers: Literal["subprocess", "processes"],
    start_method: Literal["fork", "spawn"],
) -> None:
    data = StreamingDataset(large, index=options)
    with DataLoader(
        data, batch_size=64, num_workers=2, workers=workers, multiprocessing_context=start_method
    ) as loader:
        batch = next(iter(loader))
    _check([(batch["key"].tolist(), list(batch["text"]))])
    assert len(_files(options)) == 2


def _read_in_fork(data: StreamingDataset, sender: Connection) -> None:
    sender.send(data[5]["text"])


def test_copies_hold_no_rows_and_read_the_pages(large: Path, options: IndexOptions) -> None:
    data = StreamingDataset(large, index=options)
    pickled = pickle.dumps(data)
    assert len(pickled) < 100_000
    receiver, sender = multiprocessing.Pipe(duplex=False)
    process = multiprocessing.get_context("fork").Process(target=_read_in_fork, args=(data, sender))
    process.start()
    assert receiver.recv() == data[5]["text"]
    process.join()
    assert process.exitcode == 0
    assert pickle.loads(pickled)[5] == data[5]


def test_copy_whose_maker_gave_up_makes_the_pages(large: Path, options: IndexOptions, tmp_path: Path) -> None:
    """The program that pickled it ended before its pages were there."""
    program = (
        "import pickle, sys\nfrom headrace.streaming import IndexOptions, StreamingDataset\n"
        f"options = IndexOptions(directory={str(options.directory)!r}, key='key')\n"
        f"data = StreamingDataset({str(large)!r}, index=options)\n"
        "data.provider\nopen(sys.argv[1], 'wb').write(pickle.dumps(data))"
    )
    subprocess.run([sys.executable, "-c", program, str(tmp_path / "copy")], check=True)
    copy = pickle.loads((tmp_path / "copy").read_bytes())
    assert copy[5]["text"] == f"{5:0{_TEXT_BYTES}d}"
    assert len(_files(options)) == 2


def test_pages_that_cannot_be_written_are_an_error_of_the_next_read(large: Path, options: IndexOptions) -> None:
    data = StreamingDataset(large, index=options, on_error="substitute")
    data.provider  # noqa: B018 - opened here
    assert options.directory is not None
    shutil.rmtree(options.directory)
    assert not _rows_of(data).wait_for_pages(timeout_seconds=60)
    for _ in range(2):
        with pytest.raises(Unavailable, match="could not be written to"):
            _first(data)
    with pytest.raises(Unavailable, match="could not be written to"):
        data[0]


# -- refused before the first batch, as small indexes are ----------------------------------------------------------


class _OnConversion(logging.Handler):
    """Does something when an index begins to be read."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path

    def emit(self, record: logging.LogRecord) -> None:
        os.utime(self._path, ns=(1, 1))


@pytest.fixture
def changes_while_it_is_read(tmp_path: Path) -> Iterator[Path]:
    path = write_large(tmp_path / "t.parquet")
    logger = logging.getLogger("headrace.streaming.index_opening")
    handler, level = _OnConversion(path), logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    yield path
    logger.removeHandler(handler)
    logger.setLevel(level)


def test_index_that_changes_while_it_is_read_is_refused(changes_while_it_is_read: Path, options: IndexOptions) -> None:
    with pytest.raises(Unavailable, match="changed while it was read"):
        len(StreamingDataset(changes_while_it_is_read, index=options))
    assert not _files(options)
    # Touched to the same time again, so nothing changes any more.
    _check(_first(StreamingDataset(changes_while_it_is_read, index=options)))


def test_index_that_changes_before_a_copy_makes_its_pages_is_refused(
    large: Path, tmp_path: Path, options: IndexOptions
) -> None:
    path = Path(shutil.copy(large, tmp_path / "t.parquet"))
    data = StreamingDataset(path, index=options)
    copy = pickle.loads(pickle.dumps(data))
    assert _rows_of(data).wait_for_pages(timeout_seconds=60)
    assert options.directory is not None
    shutil.rmtree(options.directory)
    os.utime(path, ns=(1, 1))
    with pytest.raises(Unavailable, match="changed while it was read"):
        copy[0]


def test_refused_rows_of_the_last_row_group_are_refused_at_opening(tmp_path: Path, options: IndexOptions) -> None:
    keys = np.arange(NUM_ROWS)
    keys[-1] = 17
    path = write_large(tmp_path / "t.parquet", keys=keys)
    with pytest.raises(InvalidInput, match=r"t\.parquet \[column key\]: rows 17 and 199999 both have the key 17"):
        len(StreamingDataset(path, index=options))
    start = pq.read_metadata(path).row_group(6).column(1).dictionary_page_offset
    content = bytearray(path.read_bytes())
    content[start : start + 40] = b"\xff" * 40
    path.write_bytes(content)
    with pytest.raises(InvalidInput, match=r"t\.parquet: no readable Parquet file"):
        len(StreamingDataset(path, index=options))
    assert not _files(options)


def test_keys_in_any_order_name_rows(tmp_path: Path, options: IndexOptions) -> None:
    path = write_large(tmp_path / "t.parquet", keys=np.random.default_rng(1).permutation(NUM_ROWS))
    _check(_first(StreamingDataset(path, index=options)))


def test_same_files_elsewhere_have_the_same_identity(large: Path, tmp_path: Path, options: IndexOptions) -> None:
    names = set()
    for place in ("a", "b/c"):
        (tmp_path / place).mkdir(parents=True)
        copy = shutil.copy(large, tmp_path / place / "large.parquet")
        names.add(StreamingDataset(copy, index=options).provider.identity)
        names.add(StreamingDataset(copy, index=IndexOptions(directory=options.directory)).provider.identity)
    assert len(names) == 2  # with the key and without


def test_what_ended_programs_left_goes_but_not_what_others_write(tmp_path: Path) -> None:
    pages = PageFolder(tmp_path)
    for name in ("left.0.arrow", "left.1.arrow.0f.tmp", "whole.0.arrow", "whole.json", "mine.0.arrow.0f.tmp"):
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "others.0.arrow").write_bytes(b"x")
    lock = FileLock(str(tmp_path / "others.lock"))
    PageWriter(pages, "mine")
    lock.release()
    assert sorted(path.name for path in tmp_path.glob("*.*") if path.suffix != ".lock") == [
        "others.0.arrow",
        "whole.0.arrow",
        "whole.json",
    ]
