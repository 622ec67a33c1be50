"""A check lets a run go on, or stops it with what it found."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from headrace.curation.table_stages.check_stage import check_rows
from headrace.errors import GateFailed, InvalidInput
from tests.stage_lakes import ROOM_BYTES, open_stage_store, put_rows


def _check(tmp_path: Path, sql: str) -> str:
    store = open_stage_store(tmp_path)
    rows = put_rows(store, pa.table({"_id": [f"r{number}" for number in range(9)], "size": list(range(9))}))
    scratch = tmp_path / "scratch"
    try:
        found = check_rows(
            store, {"input": rows}, sql=sql, message="too few photos left", memory_bytes=ROOM_BYTES, scratch=scratch
        )
    finally:
        assert list(scratch.iterdir()) == []
    return found.kind


def test_true_and_no_rows_pass(tmp_path: Path) -> None:
    assert _check(tmp_path, "SELECT count(*) >= 9 FROM input") == "boolean"
    assert _check(tmp_path, "SELECT * FROM input WHERE size < 0") == "rows"


def test_false_stops_with_the_values_compared(tmp_path: Path) -> None:
    with pytest.raises(
        GateFailed, match=r"too few photos left: .* gave false: count_star\(\) is 9, 100 wanted"
    ) as failure:
        _check(tmp_path, "SELECT count(*) >= 100 FROM input")
    assert failure.value.exit_code == 6
    assert failure.value.code == "gate-failed"


def test_null_stops(tmp_path: Path) -> None:
    with pytest.raises(GateFailed, match="gave null"):
        _check(tmp_path, "SELECT max(size) > 3 FROM input WHERE size > 100")


def test_rows_stop_with_the_first_five(tmp_path: Path) -> None:
    with pytest.raises(GateFailed, match=r"found 6 rows \(the first 5\): _id = r3, size = 3; .*r7") as failure:
        _check(tmp_path, "SELECT * FROM input WHERE size >= 3")
    assert "r8" not in str(failure.value)


def test_wrong_sql_is_no_failed_check(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="nothing"):
        _check(tmp_path, "SELECT nothing > 3 FROM input")
