"""A watched folder or bucket prefix: each version of each file becomes one row once, whatever happens to watchers."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pyarrow as pa
import pytest

import headrace
from headrace.datasets.dataset import Dataset
from headrace.datasets.watching import RefusedFiles, WatchOptions, watch
from headrace.errors import InvalidInput, NotFound
from tests.generated_media import image_bytes
from tests.s3_buckets import Bucket


def _put(folder: Path, name: str, shade: int, *, age: float = 100) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(image_bytes("PNG", shade=shade))
    moment = time.time() - age
    os.utime(path, (moment, moment))
    return path


def _ids(dataset: Dataset) -> list[str]:
    return sorted(row["id"] for row in dataset.snapshot().to_arrow(["id"]).to_pylist())


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    return headrace.connect(tmp_path / "lake").create_dataset("photos", type="IMAGE_CLASS")


def test_files_are_taken_once_and_new_ones_later(dataset: Dataset, tmp_path: Path) -> None:
    inbox = tmp_path / "inbox"
    inbox.mkdir()
    assert list(dataset.watch(inbox, once=True)) == []
    _put(inbox, "cat/1.png", 1)
    _put(inbox, "dog/1.png", 2)
    (first,) = dataset.watch(inbox, once=True, tags={"batch": "a"})
    assert (first.num_rows, first.tags) == (2, {"batch": "a"})
    assert list(dataset.watch(inbox, once=True)) == []
    _put(inbox, "cat/2.png", 3)
    again = headrace.connect(tmp_path / "lake").dataset("photos")
    (second,) = again.watch(inbox, once=True)
    assert second.num_rows == 1
    assert _ids(dataset) == ["cat/1.png", "cat/2.png", "dog/1.png"]
    assert dataset.lake.verify().ok


def test_touched_file_is_the_same_and_changed_file_is_another(dataset: Dataset, tmp_path: Path) -> None:
    path = _put(tmp_path / "inbox", "cat/1.png", 1)
    assert len(list(dataset.watch(tmp_path / "inbox", once=True))) == 1
    os.utime(path, (1_000_000_000, 1_000_000_000))
    assert list(dataset.watch(tmp_path / "inbox", once=True)) == []
    _put(tmp_path / "inbox", "cat/1.png", 7)
    assert [commit.num_rows for commit in dataset.watch(tmp_path / "inbox", once=True)] == [1]


def test_file_waits_until_it_has_settled(dataset: Dataset, tmp_path: Path) -> None:
    inbox = tmp_path / "inbox"
    _put(inbox, "cat/1.png", 1, age=-1000)  # a clock that is ahead: only what the watcher sees counts
    now = [time.time()]
    looks: list[int] = []

    def pause(seconds: float) -> None:
        now[0] += seconds
        looks.append(len(dataset.log()))
        if len(looks) == 2:
            _put(inbox, "cat/1.png", 2, age=-2000)
        if len(looks) > 6:
            raise KeyboardInterrupt

    options = WatchOptions(interval_seconds=2, settle_seconds=5)
    with pytest.raises(KeyboardInterrupt):
        list(watch(dataset, inbox, options=options, clock=lambda: now[0], pause=pause))
    assert looks == [0, 0, 0, 0, 0, 1, 1]
    assert dataset.snapshot()[0]["image"] == image_bytes("PNG", shade=2)


def test_batches_keep_within_their_limits(dataset: Dataset, tmp_path: Path) -> None:
    for number in range(7):
        _put(tmp_path / "inbox", f"cat/{number}.png", number)
    commits = list(dataset.watch(tmp_path / "inbox", once=True, max_files=3))
    assert [commit.num_rows for commit in commits] == [3, 3, 1]
    with pytest.raises(InvalidInput, match="max_files is 0"):
        dataset.watch(tmp_path / "inbox", max_files=0)
    with pytest.raises(InvalidInput, match="has no option 'every'"):
        dataset.watch(tmp_path / "inbox", every=3)
    with pytest.raises(NotFound, match="no such folder"):
        list(dataset.watch(tmp_path / "nothing", once=True))


def test_place_is_named_as_a_source_is(dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty path is not the folder one is in; file:// and ~ mean what they mean elsewhere."""
    _put(tmp_path / "in box", "cat/1.png", 1)
    monkeypatch.chdir(tmp_path / "in box")
    for empty in ("", "  "):
        with pytest.raises(InvalidInput, match="an empty path"):
            list(dataset.watch(empty, once=True))
    assert len(list(dataset.watch((tmp_path / "in box").as_uri(), once=True))) == 1
    monkeypatch.setenv("HOME", str(tmp_path))
    assert list(dataset.watch("~/in box", once=True)) == []


def test_caption_and_image_are_one_sample(tmp_path: Path) -> None:
    dataset = headrace.connect(tmp_path / "lake").create_dataset("captions", type="IMAGE_TEXT")
    inbox = tmp_path / "inbox"
    _put(inbox, "a.png", 1)
    (inbox / "a.txt").write_text("first")  # has not settled yet
    assert list(dataset.watch(inbox, once=True)) == []
    os.utime(inbox / "a.txt", (1, 1))
    assert [commit.num_rows for commit in dataset.watch(inbox, once=True)] == [1]
    (inbox / "a.txt").write_text("second")
    os.utime(inbox / "a.txt", (2, 2))
    assert [commit.num_rows for commit in dataset.watch(inbox, once=True)] == [1]
    assert [row["text"] for row in dataset.snapshot().to_arrow(["text"]).to_pylist()] == ["first", "second"]
    (inbox / "index.csv").write_text("filename,text\n")
    with pytest.raises(InvalidInput, match="cannot be taken a few at a time"):
        list(dataset.watch(inbox, once=True))


def _table(folder: Path, name: str, text: str, *, age: float) -> None:
    (folder / name).write_text(text)
    moment = time.time() - age
    os.utime(folder / name, (moment, moment))


def _prices(dataset: Dataset) -> dict[str, int]:
    return {row["sku"]: row["price"] for row in dataset.snapshot().to_arrow(["sku", "price"]).to_pylist()}


@pytest.fixture
def shop(tmp_path: Path) -> Dataset:
    """Rows that replace earlier ones with their key."""
    schema = pa.schema([("sku", pa.string()), ("price", pa.int64())])
    return headrace.connect(tmp_path / "lake").create_dataset("shop", type="TABLE", schema=schema, key="sku")


@pytest.mark.parametrize("on_invalid", ["raise", "skip"])
def test_key_in_several_files_has_the_row_of_the_newest(shop: Dataset, tmp_path: Path, on_invalid: str) -> None:
    """As if each file had been found by a look of its own, in the order of their last changes."""
    inbox = tmp_path / "inbox"
    inbox.mkdir()
    _table(inbox, "a.csv", "sku,price\nhat,3\n", age=100)
    _table(inbox, "b.csv", "sku,price\nhat,1\nbag,5\n", age=300)
    _table(inbox, "c.csv", "sku,price\nhat,2\n", age=200)
    _table(inbox, "d.csv", "sku,price\nfan,9\n", age=50)
    commits = list(shop.watch(inbox, once=True, on_invalid=on_invalid))
    assert sum(commit.num_rows for commit in commits) == 5
    assert sum(commit.num_rejected for commit in commits) == 0
    assert _prices(shop) == {"hat": 3, "bag": 5, "fan": 9}
    assert list(shop.watch(inbox, once=True, on_invalid=on_invalid)) == []
    _table(inbox, "b.csv", "sku,price\nhat,7\n", age=10)
    list(shop.watch(inbox, once=True, on_invalid=on_invalid))
    assert _prices(shop)["hat"] == 7


def test_files_of_several_commits_are_taken_oldest_first(shop: Dataset, tmp_path: Path) -> None:
    """Archives among them, where a row replaces another."""
    inbox = tmp_path / "inbox"
    inbox.mkdir()
    with zipfile.ZipFile(inbox / "a.zip", "w") as archive:
        archive.writestr("rows.csv", "sku,price\nhat,1\n")
    os.utime(inbox / "a.zip", (1, 1))
    _table(inbox, "b.csv", "sku,price\nhat,2\n", age=100)
    with zipfile.ZipFile(inbox / "c.zip", "w") as archive:
        archive.writestr("rows.csv", "sku,price\nhat,3\n")
    os.utime(inbox / "c.zip", (2, 2))
    assert len(list(shop.watch(inbox, once=True))) == 3
    assert _prices(shop) == {"hat": 2}


def test_archives_with_the_same_names_are_commits_of_their_own(dataset: Dataset, tmp_path: Path) -> None:
    inbox = tmp_path / "inbox"
    inbox.mkdir()
    for number in range(2):
        with zipfile.ZipFile(inbox / f"{number}.zip", "w") as archive:
            archive.writestr("cat/1.png", image_bytes("PNG", shade=number))
        os.utime(inbox / f"{number}.zip", (1 + number, 1 + number))
    assert [commit.num_rows for commit in dataset.watch(inbox, once=True)] == [1, 1]
    assert _ids(dataset) == ["cat/1.png", "cat/1.png"]


def test_key_that_comes_twice_in_one_file_follows_the_policy(shop: Dataset, tmp_path: Path) -> None:
    inbox = tmp_path / "inbox"
    inbox.mkdir()
    _table(inbox, "a.csv", "sku,price\nhat,1\nhat,2\n", age=200)
    _table(inbox, "b.csv", "sku,price\nhat,3\n", age=100)
    with pytest.raises(InvalidInput, match=r"a\.csv.*'hat' appears twice"):
        list(shop.watch(inbox, once=True))
    assert [commit.num_rejected for commit in shop.watch(inbox, once=True, on_invalid="skip")] == [1, 0]
    assert _prices(shop) == {"hat": 3}


def test_wrong_option_is_no_fault_of_the_files(dataset: Dataset, tmp_path: Path) -> None:
    _put(tmp_path / "inbox", "cat/1.png", 1)
    with pytest.raises(InvalidInput, match="media='move'"):
        list(dataset.watch(tmp_path / "inbox", once=True, media="move", on_invalid="skip"))
    with pytest.raises(InvalidInput, match="on_invalid='keep'"):
        list(dataset.watch(tmp_path / "inbox", once=True, on_invalid="keep"))
    assert len(list(dataset.watch(tmp_path / "inbox", once=True))) == 1


def test_broken_files_follow_the_policy(dataset: Dataset, tmp_path: Path) -> None:
    inbox = tmp_path / "inbox"
    _put(inbox, "cat/1.png", 1)
    broken = _put(inbox, "cat/broken.png", 1)
    broken.write_bytes(b"no image")
    os.utime(broken, (1, 1))
    with pytest.raises(InvalidInput, match=r"cat/broken\.png"):
        list(dataset.watch(inbox, once=True))
    (commit,) = dataset.watch(inbox, once=True, on_invalid="skip")
    assert (commit.num_rows, commit.num_rejected) == (1, 1)
    assert list(dataset.watch(inbox, once=True, on_invalid="skip")) == []
    broken.write_bytes(b"still none")
    os.utime(broken, (2, 2))
    assert list(dataset.watch(inbox, once=True, on_invalid="skip")) == []


def _broken_tables(folder: Path) -> None:
    """Files of which nothing can be taken into a TABLE, before and behind those that can."""
    (folder / "a_empty.csv").write_bytes(b"")
    (folder / "b_header.csv").write_text("sku,price\n")
    (folder / "c_utf16.csv").write_bytes("sku,price\nhat,1\n".encode("utf-16"))
    (folder / "d.parquet").write_bytes(b"no parquet")
    (folder / "e.zip").write_bytes(b"no zip")
    (folder / "f.csv.gz").write_bytes(b"no gzip")
    (folder / "notes.txt").write_text("no table")
    (folder / "other.csv").write_text("x,y\n1,2\n")


def test_files_that_cannot_be_read_are_left_out_alone(shop: Dataset, tmp_path: Path) -> None:
    inbox = tmp_path / "inbox"
    inbox.mkdir()
    _broken_tables(inbox)
    for path in inbox.iterdir():
        os.utime(path, (1, 1))
    _table(inbox, "good.csv", "sku,price\nhat,1\n", age=200)
    _table(inbox, "last.csv", "sku,price\nbag,2\nfan,none\n", age=100)
    with pytest.raises(InvalidInput):
        list(shop.watch(inbox, once=True))
    assert shop.num_rows == 0
    looks: list[int] = []
    refused: list[RefusedFiles] = []

    def pause(seconds: float) -> None:
        looks.append(len(refused))
        if len(looks) == 2:
            _table(inbox, "a_empty.csv", "sku,price\ncap,4\n", age=100)
            os.utime(inbox / "d.parquet", (2, 2))  # touched only
        if len(looks) == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(watch(shop, inbox, on_invalid="skip", on_refused=refused.append, pause=pause))
    assert _prices(shop) == {"hat": 1, "bag": 2, "cap": 4}
    assert [commit.num_rejected for commit in shop.log() if commit.num_rejected] == [1]
    names = [path for files in refused for path in files.paths]
    assert {"a_empty.csv", "c_utf16.csv", "d.parquet", "e.zip", "f.csv.gz", "notes.txt", "other.csv"} <= set(names)
    assert len(names) == len(set(names))
    assert set(looks) == {len(names)}  # none was tried again
    assert all(files.reason for files in refused)


def test_broken_archive_is_left_out_alone(dataset: Dataset, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    inbox = tmp_path / "inbox"
    _put(inbox, "cat/1.png", 1)
    (inbox / "bad.zip").write_bytes(b"no zip")
    with zipfile.ZipFile(inbox / "good.zip", "w") as archive:
        archive.writestr("dog/1.png", image_bytes("PNG", shade=2))
    for name in ("bad.zip", "good.zip"):
        os.utime(inbox / name, (1, 1))
    with pytest.raises(InvalidInput, match=r"bad\.zip"):
        list(dataset.watch(inbox, once=True))
    list(dataset.watch(inbox, once=True, on_invalid="skip"))
    assert _ids(dataset) == ["cat/1.png", "dog/1.png"]
    assert [record.message.partition(" error=")[0] for record in caplog.records if record.levelname == "WARNING"] == [
        "left out paths=bad.zip"
    ]


def test_dataset_without_columns_is_not_blamed_on_the_files(tmp_path: Path) -> None:
    table = headrace.connect(tmp_path / "lake").create_dataset("shop", type="TABLE")
    inbox = tmp_path / "inbox"
    inbox.mkdir()
    assert list(table.watch(inbox, once=True, on_invalid="skip")) == []
    _table(inbox, "a.csv", "sku,price\nhat,1\n", age=100)
    with pytest.raises(InvalidInput, match="'shop' has no columns yet"):
        list(table.watch(inbox, once=True, on_invalid="skip"))


def test_command_names_files_that_it_left_out(shop: Dataset, tmp_path: Path) -> None:
    inbox = tmp_path / "inbox"
    inbox.mkdir()
    (inbox / "a_empty.csv").write_bytes(b"")
    os.utime(inbox / "a_empty.csv", (1, 1))
    command = [*_COMMAND, f"{tmp_path / 'lake'}::shop", str(inbox), "--watch", "--once", "--on-invalid", "skip"]
    alone = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "left out, as --on-invalid skip asks" in alone.stderr
    assert "nothing new" not in alone.stderr
    _table(inbox, "good.csv", "sku,price\nhat,1\n", age=100)
    done = subprocess.run([*command, "--json"], capture_output=True, text=True, check=True)
    document = json.loads(done.stdout)
    assert [commit["num_rows"] for commit in document["commits"]] == [1]
    assert [files["files"] for files in document["refused"]] == [["a_empty.csv"]]
    assert "a_empty.csv" in document["refused"][0]["reason"]
    assert _prices(shop) == {"hat": 1}


def test_prefix_of_a_bucket_is_watched(bucket: Bucket, tmp_path: Path) -> None:
    lake = headrace.connect(tmp_path / "lake", options=bucket.options)
    dataset = lake.create_dataset("photos", type="IMAGE_CLASS")
    uri = f"s3://{bucket.name}/inbox"
    assert list(dataset.watch(uri, once=True, settle_seconds=0)) == []
    bucket.put("inbox/cat/1.png", image_bytes("PNG", shade=1))
    assert len(list(dataset.watch(uri, once=True, settle_seconds=0))) == 1
    bucket.put("inbox/cat/1.png", image_bytes("PNG", shade=1))  # the same content has the same etag
    assert list(dataset.watch(uri, once=True, settle_seconds=0)) == []
    bucket.put("inbox/cat/1.png", image_bytes("PNG", shade=2))
    bucket.put("inbox/dog/1.png", image_bytes("PNG", shade=3))
    assert [commit.num_rows for commit in dataset.watch(uri, once=True, settle_seconds=0)] == [2]


def test_missing_bucket_is_no_empty_one(bucket: Bucket, tmp_path: Path) -> None:
    dataset = headrace.connect(tmp_path / "lake", options=bucket.options).create_dataset("photos", type="IMAGE_CLASS")
    for uri in (f"s3://{bucket.name}-gone/inbox", f"s3://{bucket.name}-gone"):
        with pytest.raises(NotFound, match=r"-gone does not exist"):
            list(dataset.watch(uri, once=True))
        with pytest.raises(NotFound, match=r"-gone does not exist"):
            list(dataset.watch(uri))
    assert list(dataset.watch(f"s3://{bucket.name}", once=True)) == []
    bucket.put("inbox/.hidden.png", b"")
    assert list(dataset.watch(f"s3://{bucket.name}/inbox", once=True)) == []


_COMMAND = [sys.executable, "-m", "headrace.cli", "commit"]


def test_interrupted_watcher_says_so(dataset: Dataset, tmp_path: Path) -> None:
    _put(tmp_path / "inbox", "cat/1.png", 1)
    command = [*_COMMAND, f"{tmp_path / 'lake'}::photos", str(tmp_path / "inbox"), "--watch"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as watcher:
        assert watcher.stdout is not None
        assert watcher.stdout.readline().startswith("commit 1: 1 row")
        watcher.send_signal(signal.SIGINT)
        _, told = watcher.communicate(timeout=20)
    assert watcher.returncode == 130
    assert "interrupted" in told
    assert dataset.num_rows == 1


def test_watchers_that_are_killed_and_meet_take_each_file_once(dataset: Dataset, tmp_path: Path) -> None:
    inbox = tmp_path / "inbox"
    inbox.mkdir()
    command = [*_COMMAND, f"{tmp_path / 'lake'}::photos", str(inbox), "--watch", "--interval", "0.01", "--settle", "0"]
    randomness = random.Random(5)
    watchers = [subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) for _ in range(2)]
    try:
        for number in range(24):
            scratch = _put(tmp_path, "scratch.png", number)
            scratch.rename(inbox / f".{number}.png")
            (inbox / "cat").mkdir(exist_ok=True)
            (inbox / f".{number}.png").rename(inbox / "cat" / f"{number}.png")
            time.sleep(randomness.random() * 0.1)
            if number % 8 == 7:
                watchers[0].kill()
                watchers[0].wait()
                watchers.append(watchers.pop(0))
                watchers[-1] = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 40
        while dataset.num_rows < 24 and time.monotonic() < deadline:
            time.sleep(0.05)
    finally:
        for watcher in watchers:
            watcher.kill()
            watcher.wait()
    assert _ids(dataset) == sorted(f"cat/{number}.png" for number in range(24))
    assert dataset.lake.verify().ok
    done = subprocess.run([*command, "--once", "--json"], capture_output=True, text=True, check=True)
    assert '"commits": []' in done.stdout
