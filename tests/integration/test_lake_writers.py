"""Many processes write to one lake at once."""

from __future__ import annotations

from collections import Counter
from typing import Any

import headrace
from headrace.storage.options import StoreOptions
from tests.lake_writers import commit_many, create_one, processes, rows_of


def _run(target: Any, arguments: list[tuple[Any, ...]]) -> list[Any]:
    """One child for each tuple of arguments, all let go at the same moment; what each answered."""
    context = processes()
    barrier, answers = context.Barrier(len(arguments)), context.Queue()
    children = [context.Process(target=target, args=(*items, barrier, answers)) for items in arguments]
    for child in children:
        child.start()
    found = [answers.get(timeout=60) for _ in children]
    for child in children:
        child.join(60)
        assert child.exitcode == 0
    return found


def test_commits_of_four_processes_are_dense_and_complete(lake_uri: str) -> None:
    options = StoreOptions().with_s3_environment()  # children do not see our environment
    headrace.connect(lake_uri).create_dataset("photos", type="IMAGE_CLASS")
    answers = _run(commit_many, [(lake_uri, options, writer, 10) for writer in range(4)])
    assert sorted(int(commit_id) for ids in answers for commit_id in ids) == list(range(1, 41))
    assert all(list(map(int, ids)) == sorted(map(int, ids)) for ids in answers)
    dataset = headrace.connect(lake_uri).dataset("photos")
    assert [commit.id for commit in dataset.log()] == [str(number) for number in range(1, 41)]
    expected = Counter(row["id"] for writer in range(4) for idx in range(10) for row in rows_of(writer * 1000 + idx))
    assert Counter(dataset.snapshot().to_arrow().column("id").to_pylist()) == expected
    report = headrace.connect(lake_uri).verify()
    assert report.ok
    assert report.num_rows == 120


def test_one_of_many_creates_of_a_name_wins(lake_uri: str) -> None:
    options = StoreOptions().with_s3_environment()  # children do not see our environment
    answers = _run(create_one, [(lake_uri, options, "photos") for _ in range(4)])
    assert sorted(answers, key=str) == ["1", None, None, None]
    lake = headrace.connect(lake_uri)
    (dataset,) = lake.datasets()
    assert dataset.num_rows == 3
    assert lake.verify().ok
    folders = {found.key.split("/")[1] for found in lake.store.list("datasets/")}
    assert len(folders) == 1, "the losers leave no objects"


def test_creates_of_different_names_have_dense_ids(lake_uri: str) -> None:
    options = StoreOptions().with_s3_environment()  # children do not see our environment
    answers = _run(create_one, [(lake_uri, options, f"photos{writer}") for writer in range(4)])
    assert sorted(answers) == ["1", "2", "3", "4"]
    assert [dataset.id for dataset in headrace.connect(lake_uri).datasets()] == ["1", "2", "3", "4"]
    assert headrace.connect(lake_uri).verify().ok
