"""The two hashes."""

from __future__ import annotations

import blake3
import pytest
import xxhash
from hypothesis import given
from hypothesis import strategies as st

from headrace.errors import DataCorrupted
from headrace.storage.digests import (
    CHECK_BYTES,
    DIGEST_BYTES,
    check_of,
    digest_hex,
    digest_of,
    require_digest,
)


@given(st.binary(max_size=64))
def test_digests_are_the_libraries_own(data: bytes) -> None:
    assert digest_of(data) == blake3.blake3(data).digest()
    assert digest_hex(data) == digest_of(data).hex()
    assert check_of(data) == xxhash.xxh3_128(data).digest()
    assert (len(digest_of(data)), len(check_of(data))) == (DIGEST_BYTES, CHECK_BYTES)


def test_known_value_of_blake3() -> None:
    assert digest_hex(b"") == "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262"


def test_require_digest_names_the_object_and_the_command() -> None:
    require_digest(b"abc", digest_hex(b"abc"), name="lake/x")
    with pytest.raises(DataCorrupted, match=r"lake/x does not hold what was written.*headrace verify"):
        require_digest(b"abd", digest_hex(b"abc"), name="lake/x")
