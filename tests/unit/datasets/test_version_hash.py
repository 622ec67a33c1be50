"""The reference service's names for choices of commits, from its contract."""

from __future__ import annotations

from base64 import b64decode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.datasets.version_hash import version_hash


@pytest.mark.parametrize(
    ("commits", "name"),
    [
        ([], "hash"),
        ([1], "hashAg=="),
        ([2], "hashBA=="),
        ([3], "hashCA=="),
        ([1, 2], "hashBg=="),
        ([1, 3], "hashCg=="),
        ([2, 3], "hashDA=="),
        ([1, 2, 3], "hashDg=="),
        ([1, 2, 3, 4], "hashHg=="),
        ([4], "hashEA=="),
        ([8], "hashAAE="),
        ([9], "hashAAI="),
        ([16], "hashAAAB"),
        (range(1, 8), "hash/g=="),
        (range(1, 9), "hash/gE="),
    ],
)
def test_version_hash_is_the_contract_s(commits: list[int], name: str) -> None:
    assert version_hash(commits) == name
    assert version_hash(reversed(commits)) == name


@given(st.sets(st.integers(1, 500)))
def test_version_hash_names_each_choice_once(commits: set[int]) -> None:
    bits = b64decode(version_hash(commits).removeprefix("hash"))
    assert {number for number in range(len(bits) * 8) if bits[number // 8] >> number % 8 & 1} == commits
    assert not bits.endswith(b"\0")
