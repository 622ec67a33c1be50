"""Buckets with versioning: a service that forgets conditions in them is refused, a sound one is not."""

from __future__ import annotations

import uuid

import pytest

import headrace
from headrace.errors import Conflict
from tests.s3_buckets import Bucket, S3Service

pytestmark = pytest.mark.usefixtures("no_credentials_in_the_environment")

_ROWS = [{"a": 1}]


@pytest.fixture
def versioned_gateway(s3_service: S3Service) -> S3Service:
    if not s3_service.is_real or s3_service.versioned_bucket is None:
        pytest.skip("needs a real gateway with a bucket that has versioning: make test-s3 starts one")
    return s3_service


def test_gateway_that_ignores_conditions_in_a_versioned_bucket_is_refused(versioned_gateway: S3Service) -> None:
    """Ceph's gateway 16.2 answers 200 to the second `If-None-Match: *` there, so a commit could replace another."""
    name = str(versioned_gateway.versioned_bucket)
    root = uuid.uuid4().hex
    client = versioned_gateway.client()
    try:
        client.put_object(Bucket=name, Key=f"{root}-check", Body=b"1", IfNoneMatch="*")
        try:
            client.put_object(Bucket=name, Key=f"{root}-check", Body=b"2", IfNoneMatch="*")
        except client.exceptions.ClientError:
            pytest.skip("this service keeps its promise in buckets with versioning")
        lake = headrace.connect(f"s3://{name}/{root}", options=versioned_gateway.options)
        for _ in range(2):  # a failed probe is not remembered as passed
            with pytest.raises(Conflict, match="let a second conditional write replace the first") as caught:
                lake.create_dataset("rows", type="TABLE", source=_ROWS)
        assert "switch versioning off" in str(caught.value)
        left = client.list_objects_v2(Bucket=name, Prefix=f"{root}/").get("Contents", [])
        assert [item["Key"] for item in left] == [], "nothing of a lake was begun, and the probes are gone"
    finally:
        client.close()


def test_sound_bucket_of_the_same_service_takes_a_lake(bucket: Bucket) -> None:
    lake = bucket.lake()
    lake.create_dataset("rows", type="TABLE", source=_ROWS)
    assert bucket.lake().snapshot("rows").num_rows == 1
    assert lake.verify().ok


def test_purge_is_refused_where_old_versions_stay(bucket: Bucket, s3_service: S3Service) -> None:
    if s3_service.is_real:
        pytest.skip("the gateway forgets conditions in such a bucket, so no lake is made there")
    lake = headrace.connect(f"s3://{bucket.name}/lake", options=bucket.options)
    dataset = lake.create_dataset("rows", type="TABLE", source=[{"a": 1}, {"a": 2}])
    bucket.client.put_bucket_versioning(Bucket=bucket.name, VersioningConfiguration={"Status": "Enabled"})
    dataset.purge(where="a = 1", dry_run=True)
    for erase in (lambda: dataset.purge(where="a = 1"), lambda: lake.purge_dataset("rows")):
        with pytest.raises(Conflict, match="keeps old versions of objects, so that nothing can be erased there"):
            erase()
    assert dataset.select().num_rows == 2
    bucket.client.put_bucket_versioning(Bucket=bucket.name, VersioningConfiguration={"Status": "Suspended"})
    assert dataset.purge(where="a = 1").num_rows == 1
