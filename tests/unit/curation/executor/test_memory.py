"""What processes hold, and where nobody can say it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from headrace.curation.executor.memory import held_bytes, require_measurable
from headrace.errors import InvalidInput


def test_own_memory_is_seen() -> None:
    require_measurable()
    block = bytearray(64 << 20)
    block[::4096] = b"x" * len(block[::4096])
    assert held_bytes([os.getpid()])[os.getpid()] > 64 << 20


def test_process_that_is_gone_holds_nothing() -> None:
    assert held_bytes([2**22 + 1]) == {2**22 + 1: 0}


def test_ceiling_is_refused_where_it_cannot_be_kept(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"--memory cannot be kept on this system: .* only Linux has"):
        require_measurable(tmp_path)
