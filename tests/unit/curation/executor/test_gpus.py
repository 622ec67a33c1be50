"""GPUs as the environment, nvidia-smi and the driver name them."""

from __future__ import annotations

from pathlib import Path

import pytest

from headrace.curation.executor.gpus import gpu_turns, visible_gpus

TWO = """GPU 0: NVIDIA H100 80GB HBM3 (UUID: GPU-11111111-1111-1111-1111-111111111111)
GPU 1: NVIDIA H100 80GB HBM3 (UUID: GPU-22222222-2222-2222-2222-222222222222)
"""
DIVIDED = """GPU 0: NVIDIA A100 (UUID: GPU-11111111-1111-1111-1111-111111111111)
  MIG 3g.20gb     Device  0: (UUID: MIG-aaaaaaaa-1111-1111-1111-111111111111)
  MIG 3g.20gb     Device  1: (UUID: MIG-bbbbbbbb-1111-1111-1111-111111111111)
GPU 1: NVIDIA A100 (UUID: GPU-22222222-2222-2222-2222-222222222222)
"""


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ("0,1", ("0", "1")),
        (" 2 , 3 ", ("2", "3")),
        ("", ()),
        ("-1", ()),
        ("0,-1,1", ("0",)),
        ("GPU-8932f937,MIG-7", ("GPU-8932f937", "MIG-7")),
        ("NoDevFiles", ()),
    ],
)
def test_variable_decides_where_it_is_set(value: str, found: tuple[str, ...], tmp_path: Path) -> None:
    driver = tmp_path / "gpus"
    (driver / "0000:01:00.0").mkdir(parents=True)
    assert visible_gpus({"CUDA_VISIBLE_DEVICES": value}, driver=driver) == found


@pytest.mark.parametrize(
    ("said", "code", "found"),
    [
        (TWO, 0, ["GPU-11111111", "GPU-22222222"]),
        (DIVIDED, 0, ["MIG-aaaaaaaa", "MIG-bbbbbbbb", "GPU-22222222"]),
        ("No devices found.\n", 0, []),
        ("NVIDIA-SMI has failed\n", 9, []),
    ],
    ids=["two", "divided", "none", "failed"],
)
def test_nvidia_smi_is_asked(said: str, code: int, found: list[str], tmp_path: Path) -> None:
    program = tmp_path / "nvidia-smi"
    program.write_text(f"#!/bin/sh\ncat <<'END'\n{said}END\nexit {code}\n")
    program.chmod(0o755)
    names = visible_gpus({"PATH": f"{tmp_path}:/usr/bin:/bin"}, driver=tmp_path / "none")
    assert [name.rsplit("-", 4)[0] for name in names] == found


def test_driver_is_the_last_resort(tmp_path: Path) -> None:
    assert visible_gpus({"PATH": str(tmp_path)}, driver=tmp_path / "none") == ()
    for name in ("0000:01:00.0", "0000:02:00.0"):
        (tmp_path / "gpus" / name).mkdir(parents=True)
    assert visible_gpus({"PATH": str(tmp_path)}, driver=tmp_path / "gpus") == ("0", "1")


@pytest.mark.parametrize(
    ("need", "turns"),
    [
        (1, ("0", "1", "2")),
        (2, ("0,1",)),
        (3, ("0,1,2",)),
        (4, ()),
        (0.5, ("0", "1", "2", "0", "1", "2")),
        (0.4, ("0", "1", "2", "0", "1", "2")),
        (0.9, ("0", "1", "2")),
        (1 / 3, ("0", "1", "2") * 3),
    ],
)
def test_workers_take_turns(need: float, turns: tuple[str, ...]) -> None:
    assert gpu_turns(("0", "1", "2"), need) == turns
