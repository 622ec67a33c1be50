"""S3 over real HTTP: a fresh bucket for each test that asks, on the service that HEADRACE_TEST_S3 names.

Without that variable it is moto's server, one a test module. tools/radosgw/README.md says what the variable holds and
starts a real service.
"""

from __future__ import annotations

import json
import os
import threading
import uuid
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

import headrace
from headrace.datasets.lake import Lake
from headrace.storage.options import StoreOptions

__all__ = ["CREDENTIALS", "Bucket", "S3Service", "bucket", "no_credentials_in_the_environment", "s3_service"]

CREDENTIALS = {"access_key_id": "test", "secret_access_key": "test", "region": "us-east-1"}

_SERVICE_VARIABLE = "HEADRACE_TEST_S3"
_CREDENTIAL_VARIABLES = (
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_ENDPOINT_URL",
    "AWS_ENDPOINT_URL_S3",
    "AWS_ENDPOINT",
    "AWS_REGION",
    "AWS_DEFAULT_REGION",
    "AWS_PROFILE",
)


@dataclass(frozen=True, slots=True)
class S3Service:
    """Where it answers, and a user who may create buckets there."""

    endpoint: str
    region: str
    access_key_id: str
    secret_access_key: str
    is_real: bool  # named by HEADRACE_TEST_S3, not moto's
    versioned_bucket: str | None  # a bucket with versioning that is there already

    @property
    def options(self) -> StoreOptions:
        """What opens a store there."""
        return StoreOptions.of(
            {
                "endpoint": self.endpoint,
                "region": self.region,
                "access_key_id": self.access_key_id,
                "secret_access_key": self.secret_access_key,
            }
        )

    def variables(self) -> dict[str, str]:
        """The same for the environment."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_REGION": self.region,
            "AWS_ACCESS_KEY_ID": self.access_key_id,
            "AWS_SECRET_ACCESS_KEY": self.secret_access_key,
        }

    def client(self) -> Any:
        """boto3's client, which sees the bucket with other eyes than ours; close it."""
        import boto3

        return boto3.client(
            "s3",
            endpoint_url=self.endpoint,
            region_name=self.region,
            aws_access_key_id=self.access_key_id,
            aws_secret_access_key=self.secret_access_key,
        )


@dataclass(frozen=True, slots=True)
class Bucket:
    """A fresh bucket and the options that open it."""

    name: str
    options: StoreOptions
    client: Any

    def lake(self, path: str = "lake") -> Lake:
        return headrace.connect(f"s3://{self.name}/{path}", options=self.options)

    def put(self, key: str, data: bytes) -> None:
        self.client.put_object(Bucket=self.name, Key=key, Body=data)

    def get(self, key: str) -> bytes:
        data: bytes = self.client.get_object(Bucket=self.name, Key=key)["Body"].read()
        return data

    def keys(self, prefix: str = "") -> list[str]:
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=self.name, Prefix=prefix)
        return [item["Key"] for page in pages for item in page.get("Contents", [])]


def _one_write_at_a_time(serve: Callable[..., Iterable[bytes]]) -> Callable[..., Iterable[bytes]]:
    """The same web application, whose changing requests wait for each other."""
    lock = threading.Lock()

    def serve_in_turn(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if environ["REQUEST_METHOD"] in {"GET", "HEAD"}:
            return serve(environ, start_response)
        with lock:
            return list(serve(environ, start_response))

    return serve_in_turn


@pytest.fixture(scope="module")
def s3_service() -> Iterator[S3Service]:
    """The service of HEADRACE_TEST_S3, else a server of this module."""
    named = os.environ.get(_SERVICE_VARIABLE)
    if named:
        document = json.loads(named)
        yield S3Service(
            endpoint=document["endpoint"],
            region=document.get("region", "us-east-1"),
            access_key_id=document["access_key_id"],
            secret_access_key=document["secret_access_key"],
            is_real=True,
            versioned_bucket=document.get("versioned_bucket"),
        )
        return
    from moto.server import ThreadedMotoServer  # takes a second to import, which the other tests need not pay

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    # Moto looks and writes in two steps, so of two threads both may be told that they created an object: once in some
    # hundred runs the probe found that and refused the store.
    web = server._server
    assert web is not None
    web.app = _one_write_at_a_time(web.app)
    host, port = server.get_host_and_port()
    yield S3Service(f"http://{host}:{port}", **CREDENTIALS, is_real=False, versioned_bucket=None)
    server.stop()


@pytest.fixture
def bucket(s3_service: S3Service) -> Iterator[Bucket]:
    """A bucket that nobody has used."""
    name = f"bucket-{uuid.uuid4().hex}"
    client = s3_service.client()
    client.create_bucket(Bucket=name)
    yield Bucket(name, s3_service.options, client)
    client.close()


@pytest.fixture
def no_credentials_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever works here works by the options."""
    for name in _CREDENTIAL_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
