"""Text, JSON, gzip and files by their names."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.errors import InvalidInput
from headrace.streaming.transforms import DecodeText, GunzipField, ParseJson, ReadFile
from tests.unit.streaming.transforms.samples_for_transforms import apply


@given(st.text(), st.sampled_from(["utf-8", "utf-16", "utf-32"]))
def test_text_round_trip(text: str, encoding: str) -> None:
    text = text.removeprefix("\ufeff")
    assert apply(DecodeText(encoding=encoding), {"text": text.encode(encoding)})["text"] == text.removeprefix("\ufeff")


def test_strings_stay_and_options_apply_to_both() -> None:
    decode = DecodeText(normal_form="NFC", is_stripped=True)
    for value in ("  cafe\u0301\n", "  cafe\u0301\n".encode(), b"\xef\xbb\xbf caf\xc3\xa9"):
        assert apply(decode, {"text": value})["text"] == "caf\u00e9"


def test_bytes_that_are_no_text_are_refused_or_replaced() -> None:
    with pytest.raises(
        InvalidInput, match=r"sample 'k', field 'text': is no utf-8 text: .* at byte 3; .*errors='replace'"
    ):
        apply(DecodeText(), {"text": b"abc\xff"})
    assert apply(DecodeText(errors="replace"), {"text": b"abc\xff"})["text"] == "abc\ufffd"


@pytest.mark.parametrize("options", [{"encoding": "utf-88"}, {"errors": "ignore"}, {"normal_form": "NFX"}])
def test_bad_text_options_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput, match="expected"):
        DecodeText(**options)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(JSON)
def test_json_round_trip(value: object) -> None:
    text = json.dumps(value)
    for data in (text, text.encode()):
        assert apply(ParseJson("meta"), {"meta": data})["meta"] == value


@pytest.mark.parametrize("data", [b"", b"{", b"NaN", b"\xff", b"{} {}", "{'a': 1}"])
def test_what_is_no_json_is_refused(data: object) -> None:
    with pytest.raises(InvalidInput, match="sample 'k', field 'meta': is no JSON"):
        apply(ParseJson("meta"), {"meta": data})


def test_json_may_get_a_field_of_its_own() -> None:
    assert apply(ParseJson("meta", "parsed"), {"meta": "[1]"}) == {"_id": "k", "meta": "[1]", "parsed": [1]}


@given(st.lists(st.binary(max_size=300), min_size=1, max_size=3))
def test_gzip_round_trip_of_several_members(parts: list[bytes]) -> None:
    data = b"".join(gzip.compress(part) for part in parts)
    assert apply(GunzipField("x"), {"x": data})["x"] == b"".join(parts)


def test_gzip_refuses_what_is_cut_off_damaged_or_too_much() -> None:
    data = gzip.compress(bytes(5000))
    flipped = bytes([*data[:-6], data[-6] ^ 1, *data[-5:]])
    cases: list[tuple[bytes, dict[str, Any], str]] = [
        (data[:-3], {}, "truncated gzip"),
        (flipped, {}, "damaged gzip"),
        (data, {"max_bytes": 4999}, "more than 5 kB; raise max_bytes"),
        (data + data, {"max_bytes": 9999}, "more than 10 kB; raise max_bytes"),
        (data + b"tail", {}, "4 bytes that do not belong"),
        (b"plain", {}, "is no gzip file"),
    ]
    for broken, options, message in cases:
        with pytest.raises(InvalidInput, match=f"sample 'k', field 'x': .*{message}"):
            apply(GunzipField("x", **options), {"x": broken})
    assert apply(GunzipField("x", is_required=False), {"x": b"plain"})["x"] == b"plain"
    assert apply(GunzipField("x"), {"x": data + bytes(3)})["x"] == bytes(5000)


def test_file_is_read_below_its_folder_only(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "a.bin").write_bytes(b"abc")
    (tmp_path / "secret").write_bytes(b"no")
    (folder / "link").symlink_to(tmp_path / "secret")
    step = ReadFile("x", str(folder))
    assert apply(step, {"x": "a.bin"})["x"] == b"abc"
    assert apply(ReadFile("x", output_field="data"), {"x": str(folder / "a.bin")})["data"] == b"abc"
    for name in ("../secret", str(tmp_path / "secret"), "link"):
        with pytest.raises(InvalidInput, match="leads out of"):
            apply(step, {"x": name})


@pytest.mark.parametrize(
    ("value", "message"),
    [("none.bin", "cannot be read: No such file"), (".", "cannot be read: Is a directory"),
     ("a\0b", "cannot be read"),
     (3, "type int; expected the path"), (None, "null; expected the path"), ("", "expected the path")],
)  # fmt: skip
def test_file_that_cannot_be_read_is_refused(value: object, message: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=message):
        apply(ReadFile("x", str(tmp_path)), {"x": value})


def test_large_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "big").write_bytes(bytes(100))
    with pytest.raises(InvalidInput, match="more than 99 B; raise max_bytes"):
        apply(ReadFile("x", max_bytes=99), {"x": str(tmp_path / "big")})
