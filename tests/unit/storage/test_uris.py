"""Parsing, canonical text, joining, and refusals of addresses."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.errors import InvalidInput
from headrace.storage.uris import StoreUri


@pytest.mark.parametrize(
    ("text", "canonical", "scheme", "bucket", "path"),
    [
        ("s3://bucket", "s3://bucket", "s3", "bucket", ""),
        ("s3://bucket/", "s3://bucket", "s3", "bucket", ""),
        ("S3://bucket/a/b/", "s3://bucket/a/b", "s3", "bucket", "a/b"),
        ("s3://bucket/a b%20c?d#e", "s3://bucket/a b%20c?d#e", "s3", "bucket", "a b%20c?d#e"),
        ("gs://my_bucket.x/ä", "gs://my_bucket.x/ä", "gs", "my_bucket.x", "ä"),
        ("az://container/x", "az://container/x", "az", "container", "x"),
        ("memory://", "memory://default", "memory", "default", ""),
        ("memory://m/x", "memory://m/x", "memory", "m", "x"),
        ("http://Host:8080/a%20b/c.csv", "http://host:8080/a%20b/c.csv", "http", "host:8080", "a b/c.csv"),
        ("https://host/%E5%86%99", "https://host/%E5%86%99", "https", "host", "写"),
        ("http://[::1]:80/x", "http://[::1]:80/x", "http", "[::1]:80", "x"),
        ("file:///data/a%20b", "/data/a b", "file", "", "/data/a b"),
        ("file://localhost/data", "/data", "file", "", "/data"),
        ("/data/x/../lake/", "/data/lake", "file", "", "/data/lake"),
        ("/data/100%25", "/data/100%25", "file", "", "/data/100%25"),
    ],
)
def test_parse_gives_parts_and_canonical_text(text: str, canonical: str, scheme: str, bucket: str, path: str) -> None:
    uri = StoreUri.parse(text)
    assert (uri.scheme, uri.bucket, uri.path) == (scheme, bucket, path)
    assert str(uri) == canonical
    assert StoreUri.parse(canonical) == uri


def test_parse_makes_relative_paths_absolute() -> None:
    expected = os.path.join(os.getcwd(), "data", "lake")
    assert str(StoreUri.parse("data/lake")) == expected
    assert str(StoreUri.parse(Path("data/lake"))) == expected
    assert str(StoreUri.parse("./data//lake")) == expected
    assert StoreUri.parse("data/lake").is_local


def test_parse_expands_the_home_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/someone")
    assert str(StoreUri.parse("~/lake")) == "/home/someone/lake"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("s4://bucket/x", 'unknown scheme "s4"; expected a path or one of file://, s3://'),
        ("s3a://bucket/x", "Did you mean 's3'?"),
        ("gcs://bucket/x", "Did you mean 'gs'?"),
        ("abfs://bucket/x", "Did you mean 'az'?"),
        ("htps://host/x", "Did you mean 'https'?"),
        ("zzzz://x", 'unknown scheme "zzzz"; expected a path or one of file://, s3://'),
        ("s3:/bucket/x", 'did you mean "s3://bucket/x"?'),
        ("s3:bucket", 'did you mean "s3://bucket"?'),
        ("", "location is empty"),
        ("  ", "location is empty"),
        ("a\0b", "NUL"),
        ("file:///a%00b", "NUL"),
        ("s3://", "names no bucket"),
        ("s3:///key", "names no bucket"),
        ("s3://buck et/x", "names the bucket 'buck et'"),
        ("s3://bucket/a/../b", "segment '..'"),
        ("s3://bucket/./b", "segment '.'"),
        ("s3://bucket/a//b", "segment ''"),
        ("memory://m/../x", "segment '..'"),
        ("https://host/a/%2e%2e/b", "segment '..'"),
        ("https:///x", "needs a host name"),
        ("https://host/a%ff", "not as UTF-8"),
        ("file://host/x", "three slashes"),
        ("file://", "no path"),
    ],
)
def test_parse_refuses_with_the_remedy(text: str, message: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        StoreUri.parse(text)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "s3://AKIAKEY:hunter2@bucket/x",
        "https://user:hunter2@host/x",
        "https://host/x.csv?X-Amz-Signature=hunter2",
        "https://host/x.csv#hunter2",
        "az://account:hunter2@container/x",
        "s3:/AKIAKEY:hunter2@bucket/x",
        "s3://AKIAKEY:hunter2/more@bucket/x",
        "https://user:hunter2/more@host/x",
    ],
)
def test_parse_refuses_credentials_and_does_not_repeat_them(text: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        StoreUri.parse(text)
    assert "hunter2" not in str(caught.value)


def test_parse_names_a_uri_that_became_a_path() -> None:
    with pytest.raises(InvalidInput, match="pass it as a str"):
        StoreUri.parse(Path("s3://bucket/x"))


def test_join_and_parent() -> None:
    for text in ["s3://bucket", "s3://bucket/a", "/data", "/", "http://host", "memory://m/a"]:
        uri = StoreUri.parse(text)
        joined = uri.join("b c", "d/e.txt")
        assert str(joined).removesuffix("/").endswith("/d/e.txt")
        assert joined.parent.parent.parent == uri
        assert joined.name == "e.txt"
        assert StoreUri.parse(str(joined)) == joined
        assert uri.join() == uri
    assert StoreUri.parse("s3://bucket").parent == StoreUri.parse("s3://bucket")
    assert str(StoreUri.parse("s3://bucket/a/b").root) == "s3://bucket"
    assert StoreUri.parse("s3://bucket").name == ""


@pytest.mark.parametrize("segment", ["..", "a/../../b", "/etc/passwd", "a//b", "a/"])
def test_join_refuses_to_lead_out(segment: str) -> None:
    for text in ["s3://bucket/a", "/data"]:
        with pytest.raises(InvalidInput):
            StoreUri.parse(text).join(segment)


def test_web_addresses_are_read_only() -> None:
    assert StoreUri.parse("https://host/x").is_read_only
    assert not StoreUri.parse("s3://bucket/x").is_read_only


@given(st.text(max_size=40))
def test_parse_gives_an_address_or_invalid_input(text: str) -> None:
    """Whatever is accepted round-trips through its canonical text."""
    try:
        uri = StoreUri.parse(text)
    except InvalidInput:
        return
    assert StoreUri.parse(str(uri)) == uri


@given(
    st.sampled_from(["s3", "gs", "az", "http", "https", "memory"]),
    st.lists(st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1), max_size=4),
)
def test_remote_keys_round_trip(scheme: str, segments: list[str]) -> None:
    if any(segment in {".", ".."} for segment in segments):
        return
    uri = StoreUri.parse(f"{scheme}://bucket").join(*segments)
    assert StoreUri.parse(str(uri)) == uri
    assert uri.path == "/".join(segments)
