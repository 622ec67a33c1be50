"""Every kind of store passes the same suite: folder, memory, and S3 over real HTTP."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from headrace.storage.local import LocalStore
from headrace.storage.memory import MemoryStore
from headrace.storage.opening import open_store
from headrace.storage.store import ObjectStore
from headrace.testing.s3_server import FaultyS3Server
from headrace.testing.stores import ObjectStoreConformance
from tests.s3_buckets import CREDENTIALS, Bucket

_NAMES = itertools.count()


class TestLocalStore(ObjectStoreConformance):
    @pytest.fixture
    def store(self, tmp_path: Path) -> ObjectStore:
        return LocalStore(tmp_path / "a" / "lake")


class TestMemoryStore(ObjectStoreConformance):
    @pytest.fixture
    def store(self) -> ObjectStore:
        return MemoryStore(f"memory://contract-{next(_NAMES)}/lake")


class TestS3StoreOnServer(ObjectStoreConformance):
    """moto's, or the one that HEADRACE_TEST_S3 names."""

    @pytest.fixture
    def store(self, bucket: Bucket) -> ObjectStore:
        return open_store(f"s3://{bucket.name}/some/lake", options=bucket.options)


class TestS3StoreOnOwnServer(ObjectStoreConformance):
    """Proves the server that the fault tests use as well; it takes no multipart uploads."""

    @pytest.fixture
    def store(self) -> Iterator[ObjectStore]:
        with FaultyS3Server("contract").running() as server:
            yield open_store("s3://contract", options={**CREDENTIALS, "endpoint": server.endpoint})

    @pytest.mark.parametrize("num_bytes", [2_000_000])
    def test_large_object_comes_back(self, store: ObjectStore, num_bytes: int) -> None:
        super().test_large_object_comes_back(store, num_bytes)
