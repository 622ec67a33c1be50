"""The short form of each proof; `make crash` runs the long one."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

import pytest

from proofs.crash_images import DiskModel
from proofs.run import PROOFS
from proofs.system_calls import Call

_ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("proof", PROOFS)
def test_proof_finds_no_violation(proof: str) -> None:
    """In a process of its own, because it forks; the seed is fixed, so that a failure is not a matter of luck."""
    command = [sys.executable, "-m", "proofs.run", "--quick", "--jobs", "1", "--seed", "20261121", proof]
    ran = subprocess.run(command, cwd=_ROOT, capture_output=True, text=True, timeout=300)
    if "skipped: " in ran.stdout:
        pytest.skip(ran.stdout.rpartition("skipped: ")[2].strip())
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert f"\n{proof} " in ran.stdout


def test_model_of_the_disk_keeps_what_was_synced_and_any_part_of_the_rest() -> None:
    """The model itself by the letter: content by fsync of the file, names by fsync of the folder."""
    root = Path("/disk")
    calls = [
        Call("make_folder", "/disk/log", began=0),
        Call("create", "/disk/tmp", began=1),
        Call("write", "/disk/tmp", data=b"entry", began=2),
        Call("sync", "/disk/tmp", began=3),
        Call("link", "/disk/tmp", "/disk/log/1", began=4),
        Call("unlink", "/disk/tmp", began=5),
    ]
    model = DiskModel(root)
    for call in calls:
        model.apply(call)
    images = [model.image(random.Random(seed)) for seed in range(200)]
    assert {"log" in image for image in images} == {True, False}, "the folder's own name is not durable"
    assert {image.get("log/1") for image in images} == {None, b"entry"}, "there as a whole or not at all"
    model.apply(Call("sync", "/disk/log", began=6))
    model.apply(Call("sync", "/disk", began=7))
    assert [model.image(random.Random(seed)) for seed in range(50)] == [{"log": None, "log/1": b"entry"}] * 50


def test_model_of_the_disk_tears_files_that_were_not_synced() -> None:
    model = DiskModel(Path("/disk"))
    model.apply(Call("create", "/disk/a", began=0))
    model.apply(Call("write", "/disk/a", data=b"0123456789", began=1))
    model.apply(Call("sync", "/disk", began=2))
    found = {model.image(random.Random(seed))["a"] for seed in range(300)}
    assert {b"", b"0123456789", bytes(10)} < found
    assert any(content is not None and content and b"0123456789".startswith(content[:3]) for content in found)
