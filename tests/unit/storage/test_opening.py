"""From URIs to stores and single objects."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from headrace.errors import InvalidInput
from headrace.storage.local import LocalStore
from headrace.storage.memory import MemoryStore
from headrace.storage.opening import open_store


def test_open_store_picks_by_scheme(tmp_path: Path) -> None:
    assert isinstance(open_store(tmp_path), LocalStore)
    assert isinstance(open_store(str(tmp_path)), LocalStore)
    assert isinstance(open_store(f"file://{tmp_path}"), LocalStore)
    assert isinstance(open_store("memory://x"), MemoryStore)
    remote = open_store("s3://bucket/lake", options={"access_key_id": "a", "secret_access_key": "b"})
    assert not remote.is_local
    assert remote.uri == "s3://bucket/lake"
    assert open_store(f"file://{tmp_path}/lake/").uri == str(tmp_path / "lake")


def test_open_store_refuses_wrong_options() -> None:
    with pytest.raises(InvalidInput, match="regoin"):
        open_store("s3://bucket", options={"regoin": "x"})


def test_memory_is_shared_by_name() -> None:
    open_store("memory://shared-by-name").put("lake/a", b"1")
    assert open_store("memory://shared-by-name/lake").get("a") == b"1"
    assert open_store("memory://shared-by-name/lak").stat("a") is None
    assert open_store("memory://another-name").stat("lake/a") is None
    MemoryStore("memory://shared-by-name/lake").clear()
    assert list(open_store("memory://shared-by-name").list("")) == []


def test_local_stores_import_nothing_heavy() -> None:
    program = (
        "import sys; from headrace.storage.opening import open_store; open_store('/tmp/x'); open_store('memory://x'); "
        "print(sorted({'obstore', 'pydantic', 'pyarrow', 'duckdb'} & set(sys.modules)))"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
