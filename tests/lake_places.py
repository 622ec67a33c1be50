"""Where lakes lie: tests that take `lake_uri` run once for each kind of place."""

from __future__ import annotations

import pytest

from tests.s3_buckets import Bucket, S3Service

__all__ = ["lake_uri"]


@pytest.fixture(params=["folder", "s3"])
def lake_uri(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> str:
    """The URI of a lake that is not there yet; credentials are in the environment, for other processes as well."""
    if request.param == "folder":
        return str(tmp_path_factory.mktemp("place") / "the lake")
    service: S3Service = request.getfixturevalue("s3_service")
    bucket: Bucket = request.getfixturevalue("bucket")
    for name, value in service.variables().items():
        monkeypatch.setenv(name, value)
    return f"s3://{bucket.name}/the lake"
