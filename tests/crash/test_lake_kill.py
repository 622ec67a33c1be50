"""A killed writer of a lake loses nothing it acknowledged; what it began is there as a whole or not at all."""

from __future__ import annotations

import random
import signal
from pathlib import Path

import pytest

import headrace
from headrace.datasets.lake import Lake
from tests.lake_writers import CountingDisk, commit_for_ever, processes, rows_of, write_story, write_story_and_die


def _state(lake: Lake) -> tuple[list[str], dict[str, str], int]:
    """What everybody can see of the lake, or nothing."""
    datasets = lake.datasets()
    if not datasets:
        return [], {}, 0
    (dataset,) = datasets
    rows = dataset.snapshot().to_arrow(["id", "image", "label"]).to_pylist()
    assert rows == [row for number in range(1, len(dataset.log()) + 1) for row in rows_of(number)]
    return [commit.digest for commit in dataset.log()], dataset.aliases, len(rows)


def _leftovers(root: Path) -> list[Path]:
    """Objects that no log entry refers to are allowed, entries that are not whole are not."""
    return [path for path in root.rglob("log/*") if not path.read_bytes().endswith(b"}")]


_PARTS = 6


@pytest.mark.parametrize("part", [0, 3])  # a third of all steps, each kind of step among them
def test_writer_killed_at_any_step_leaves_a_lake_that_goes_on(tmp_path: Path, part: int) -> None:
    disk = CountingDisk()
    write_story(tmp_path / "whole", disk=disk)
    end = _state(headrace.connect(tmp_path / "whole"))
    prefixes = [end[0][:length] for length in range(len(end[0]) + 1)]
    assert len(disk.steps) > 100
    assert {"link", "sync_file", "sync_folder", "make_folder"} <= set(disk.steps)
    children = [
        (step, tmp_path / str(step), processes().Process(target=write_story_and_die, args=(tmp_path / str(step), step)))
        for step in range(part, len(disk.steps), _PARTS)
    ]
    for step, root, child in children:
        child.start()
        child.join(60)
        # Threads write too, so that the number of steps may differ by a few from run to run.
        assert child.exitcode == -signal.SIGKILL or step > len(disk.steps) - 10, f"step {step} was not reached"
        lake = headrace.connect(root)
        commits, aliases, _ = _state(lake)
        assert commits in prefixes, f"killed before step {step} ({disk.steps[step]})"
        assert aliases in ({}, end[1])
        assert _leftovers(root) == []
        assert not lake.exists or lake.verify().ok
        write_story(root)
        assert _state(headrace.connect(root)) == end, f"killed before step {step} ({disk.steps[step]})"
        assert headrace.connect(root).verify().ok


@pytest.mark.parametrize("seed", range(3))
def test_writer_killed_at_random_moments_loses_no_acknowledged_commit(tmp_path: Path, seed: int) -> None:
    randomness = random.Random(seed)
    root = tmp_path / "lake"
    headrace.connect(root).create_dataset("photos", type="IMAGE_CLASS")
    acknowledged: dict[str, int] = {}
    for _ in range(4):
        reader, writer = processes().Pipe(duplex=False)
        child = processes().Process(target=commit_for_ever, args=(root, writer))
        child.start()
        writer.close()
        for _ in range(randomness.randrange(1, 5)):
            commit_id, number = reader.recv()
            acknowledged[commit_id] = number
        if reader.poll(randomness.random() * 0.02):  # somewhere within the next commit, or shortly after it
            commit_id, number = reader.recv()
            acknowledged[commit_id] = number
        child.kill()
        child.join(60)
        while reader.poll(0):
            try:
                commit_id, number = reader.recv()
            except EOFError:
                break
            acknowledged[commit_id] = number
        lake = headrace.connect(root)
        dataset = lake.dataset("photos")
        commits = {commit.id: commit for commit in dataset.log()}
        assert list(commits) == [str(number) for number in range(1, len(commits) + 1)]
        assert set(acknowledged) <= set(commits)
        assert len(commits) <= len(acknowledged) + 4, "at most one commit in flight was not acknowledged, each round"
        for commit_id, commit in commits.items():
            number = int(commit.message)
            assert acknowledged.get(commit_id, number) == number
        rows = dataset.snapshot().to_arrow(["id", "image", "label"]).to_pylist()
        assert rows == [row for commit in commits.values() for row in rows_of(int(commit.message))]
        assert lake.verify().ok
        assert int(dataset.commit(rows_of(0), message="0").id) == len(commits) + 1
        acknowledged[str(len(commits) + 1)] = 0
