"""The bytes that a table source reports add up to those of its files, so that share and time left are known."""

from __future__ import annotations

import gzip
import json
import zipfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import headrace
from headrace.cli.progress_bar import progress_text

_NUM_ROWS = 40_000  # more than one block of any text file


class Counted:
    """Notes the first stage, and how far it was after each report."""

    def __init__(self) -> None:
        self.stages: list[str] = []
        self.total_rows: int | None = None
        self.total_bytes: int | None = None
        self.rows = 0
        self.bytes: list[int] = [0]

    def start(self, stage: str, *, total_rows: int | None = None, total_bytes: int | None = None) -> None:
        if not self.stages:
            self.total_rows, self.total_bytes = total_rows, total_bytes
        self.stages.append(stage)

    def advance(self, rows: int = 0, bytes: int = 0) -> None:  # noqa: A002 - the interface's name
        self.rows += rows
        if bytes:
            self.bytes.append(self.bytes[-1] + bytes)

    def finish(self) -> None:
        pass


def _source(folder: Path, kind: str) -> Path | list[Path]:
    rows = [{"n": idx, "text": f"{'some text ' * 10}{idx}"} for idx in range(_NUM_ROWS)]
    text = "n,text\n" + "".join(f"{row['n']},{row['text']}\n" for row in rows)
    path = folder / f"rows.{kind}"
    match kind:
        case "csv":
            path.write_text(text)
        case "csv.gz":
            path.write_bytes(gzip.compress(text.encode()))
        case "json":
            path.write_text(json.dumps(rows))
        case "jsonl":
            path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        case "parquet":
            pq.write_table(pa.Table.from_pylist(rows), path)
        case "zip":
            with zipfile.ZipFile(path, "w") as archive:
                for idx in range(4):
                    archive.writestr(f"{idx}.csv", text)
        case "list":
            return [_source(folder, "csv"), _source(folder, "parquet")]  # type: ignore[list-item]  # single files
    return path


@pytest.mark.parametrize("kind", ["csv", "csv.gz", "json", "jsonl", "parquet", "list", "zip"])
def test_table_sources_report_bytes_of_their_total(tmp_path: Path, kind: str) -> None:
    source = _source(tmp_path, kind)
    progress = Counted()
    schema = pa.schema([("n", pa.int64()), ("text", pa.string())])
    lake = headrace.connect(tmp_path / "lake")
    dataset = lake.create_dataset("rows", schema=schema, source=source, progress=progress)
    paths = source if isinstance(source, list) else [source]
    assert progress.total_bytes == sum(path.stat().st_size for path in paths)
    assert progress.rows == dataset.num_rows
    assert kind == "csv.gz" or len(progress.bytes) > 3  # so few compressed bytes come in one piece
    assert 0.9 * progress.total_bytes <= progress.bytes[-1] <= progress.total_bytes
    assert progress.stages == ["reading", "writing", "statistics"]


def test_table_source_shows_share_and_time_left(tmp_path: Path) -> None:
    progress = Counted()
    lake = headrace.connect(tmp_path / "lake")
    lake.create_dataset("rows", type="TABLE", source=_source(tmp_path, "csv"), progress=progress)
    text = progress_text(
        num_rows=10_000,
        num_bytes=progress.bytes[len(progress.bytes) // 2],
        total_rows=progress.total_rows,
        total_bytes=progress.total_bytes,
        seconds=10.0,
    )
    assert "%)" in text
    assert text.endswith(" left")
