from __future__ import annotations

from pathlib import Path

import pytest

from headrace.errors import InvalidInput, PermissionDenied
from headrace.service.bucket_locations import BucketLocations
from headrace.service.buckets import Buckets, parse_bucket


def test_paths_lie_below_their_bucket(tmp_path: Path) -> None:
    buckets = Buckets.of({"a": str(tmp_path / "a"), "cloud": "s3://b/prefix"})
    assert (tmp_path / "a").is_dir()
    assert buckets.locate("a", "upload/001.csv") == f"{tmp_path}/a/upload/001.csv"
    assert buckets.locate("cloud", "süß/猫.csv") == "s3://b/prefix/süß/猫.csv"
    assert buckets.locate("a", "folder/") == f"{tmp_path}/a/folder"
    assert buckets.view_bucket == "a"


@pytest.mark.parametrize(
    "path", ["", "/", "/etc/passwd", "../x", "a/../../x", "a/..", "..", "./a", "a//b", "a\0b", "a\nb", "x" * 2_000]
)
def test_paths_that_lead_out_of_a_bucket_are_refused(tmp_path: Path, path: str) -> None:
    with pytest.raises(InvalidInput, match="expected the key of an object"):
        Buckets.of({"a": str(tmp_path)}).locate("a", path)


def test_unknown_bucket_names_those_that_there_are(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"bucket .uplaods. is not configured.*uploads"):
        Buckets.of({"uploads": str(tmp_path)}).locate("uplaods", "x")
    with pytest.raises(InvalidInput, match="view bucket 'b'"):
        Buckets.of({"a": str(tmp_path)}, view_bucket="b")
    assert Buckets.of({}).view_bucket is None


def test_places_are_not_told(tmp_path: Path) -> None:
    buckets = Buckets.of({"a": str(tmp_path / "x"), "b": str(tmp_path / "x" / "y")})
    told = buckets.told(f"{tmp_path}/x/y/1.csv:3: bad; {tmp_path}/x/2.csv")
    assert told == "b/1.csv:3: bad; a/2.csv"


@pytest.mark.parametrize("text", ["", "a", "=b", "a=", "a/b=c"])
def test_what_is_no_bucket_is_told(text: str) -> None:
    with pytest.raises(InvalidInput, match="expected NAME=FOLDER"):
        parse_bucket(text)


def test_a_bucket_is_a_name_and_a_place() -> None:
    assert parse_bucket("a=s3://b/c=d") == ("a", "s3://b/c=d")


def test_nothing_but_buckets_is_opened(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "x").write_bytes(b"1")
    (tmp_path / "ab").mkdir()
    locations = BucketLocations(Buckets.of({"a": str(tmp_path / "a"), "cloud": "s3://b/prefix"}))
    store, key = locations.open(str(tmp_path / "a" / "x"))
    assert store.get(key) == b"1"
    for uri in (
        f"{tmp_path}/ab/x",
        f"{tmp_path}/a/../ab/x",
        f"file://{tmp_path}/ab/x",
        "/etc/hostname",
        "http://127.0.0.1:1/x",
        "http://169.254.169.254/latest/meta-data",
        "s3://b/prefixed/x",
        "s3://other/prefix/x",
        "memory://b/prefix/x",
    ):
        with pytest.raises(PermissionDenied, match="none of the server's buckets"):
            locations.open(uri)
