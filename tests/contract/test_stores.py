"""Every kind of store passes the same suite: folder, memory, and S3 over real HTTP."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from moto.server import ThreadedMotoServer

from headrace.storage.local import LocalStore
from headrace.storage.memory import MemoryStore
from headrace.storage.opening import open_store
from headrace.storage.store import ObjectStore
from headrace.testing.s3_server import FaultyS3Server
from headrace.testing.stores import ObjectStoreConformance

_NAMES = itertools.count()
_CREDENTIALS = {"access_key_id": "test", "secret_access_key": "test", "region": "us-east-1"}


class TestLocalStore(ObjectStoreConformance):
    @pytest.fixture
    def store(self, tmp_path: Path) -> ObjectStore:
        return LocalStore(tmp_path / "a" / "lake")


class TestMemoryStore(ObjectStoreConformance):
    @pytest.fixture
    def store(self) -> ObjectStore:
        return MemoryStore(f"memory://contract-{next(_NAMES)}/lake")


@pytest.fixture(scope="module")
def moto_endpoint() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


class TestS3StoreOnMoto(ObjectStoreConformance):
    @pytest.fixture
    def store(self, moto_endpoint: str) -> ObjectStore:
        bucket = f"contract-{next(_NAMES)}"
        client = boto3.client(
            "s3",
            endpoint_url=moto_endpoint,
            region_name="us-east-1",
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )
        client.create_bucket(Bucket=bucket)
        client.close()
        return open_store(f"s3://{bucket}/some/lake", options={**_CREDENTIALS, "endpoint": moto_endpoint})


class TestS3StoreOnOwnServer(ObjectStoreConformance):
    """Proves the server that the fault tests use as well; it takes no multipart uploads."""

    @pytest.fixture
    def store(self) -> Iterator[ObjectStore]:
        with FaultyS3Server("contract").running() as server:
            yield open_store("s3://contract", options={**_CREDENTIALS, "endpoint": server.endpoint})

    @pytest.mark.parametrize("num_bytes", [2_000_000])
    def test_large_object_comes_back(self, store: ObjectStore, num_bytes: int) -> None:
        super().test_large_object_comes_back(store, num_bytes)
