"""`headrace doctor` on folders, on buckets over real HTTP, and on services that misbehave."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

import headrace
from headrace.cli.main import cli
from headrace.testing.s3_server import Fault, FaultyS3Server
from tests.s3_buckets import Bucket, S3Service

pytestmark = pytest.mark.usefixtures("no_credentials_in_the_environment")

_SECRET = "hunter2secret"


def _doctor(*words: str, expect: int = 0) -> Result:
    result = CliRunner().invoke(cli, ["doctor", *words])
    assert result.exit_code == expect, result.output
    return result


def _checks(*words: str, expect: int = 0) -> dict[str, dict[str, Any]]:
    document = json.loads(_doctor(*words, "--json", expect=expect).stdout)
    assert document["ok"] is (expect == 0)
    return {check["name"]: check for check in document["checks"]}


def _statuses(checks: dict[str, dict[str, Any]]) -> dict[str, str]:
    return {name: check["status"] for name, check in checks.items()}


@pytest.fixture
def bucket_in_environment(bucket: Bucket, s3_service: S3Service, monkeypatch: pytest.MonkeyPatch) -> Bucket:
    for name, value in s3_service.variables().items():
        monkeypatch.setenv(name, value)
    return bucket


def _use(server: FaultyS3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", server.endpoint)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", _SECRET)


def test_without_a_place_this_machine_is_checked() -> None:
    result = _doctor()
    assert [line.split()[0] for line in result.stdout.splitlines()[:7]] == [
        "check",
        "python",
        "headrace",
        "packages",
        "extras",
        "processors",
        "memory",
    ]
    assert headrace.__version__ in result.stdout


def test_lake_in_a_folder_is_sound_and_unchanged(tmp_path: Path) -> None:
    lake = headrace.connect(tmp_path / "lake")
    lake.create_dataset("rows", type="TABLE", source=[{"a": 1}])
    before = sorted(tmp_path.rglob("*"))
    for mode in ([], ["--read-only"]):
        checks = _checks(str(tmp_path / "lake"), *mode)
        assert checks["list"]["value"].startswith("a lake; ")
        assert (checks["fsync"]["status"] == "skip") == bool(mode)
    assert sorted(tmp_path.rglob("*")) == before
    assert lake.verify().ok


def test_sound_bucket_passes_and_is_empty_afterwards(bucket_in_environment: Bucket) -> None:
    checks = _checks(f"s3://{bucket_in_environment.name}/lake")
    assert _statuses(checks) == dict.fromkeys(checks, "ok")
    assert checks["versioning"]["value"] == "off"
    assert checks["object lock"]["value"] == "off"
    assert checks["credentials"]["value"] == "from AWS_ACCESS_KEY_ID"
    assert checks["throughput"]["measured"]["put_bytes_per_second"] > 0
    assert bucket_in_environment.keys() == []


def test_lake_in_a_bucket_is_sound_and_unchanged(bucket_in_environment: Bucket) -> None:
    uri = f"s3://{bucket_in_environment.name}/lake"
    headrace.connect(uri).create_dataset("rows", type="TABLE", source=[{"a": 1}])
    before = bucket_in_environment.keys()
    for mode in ([], ["--read-only"]):
        assert _checks(uri, *mode)["list"]["value"].startswith("a lake; ")
    assert bucket_in_environment.keys() == before
    assert headrace.connect(uri).verify().ok


def test_versioned_bucket_is_told_and_claims_are_tried(bucket_in_environment: Bucket, s3_service: S3Service) -> None:
    """Whether claims hold there depends on the service: moto's do, those of Ceph 16.2 do not."""
    name = bucket_in_environment.name
    bucket_in_environment.client.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    assert _checks(f"s3://{name}/lake", "--read-only")["versioning"]["status"] == "warn"
    document = json.loads(CliRunner().invoke(cli, ["doctor", f"s3://{name}/lake", "--json"]).stdout)
    found = {check["name"]: check for check in document["checks"]}
    assert found["versioning"]["value"] == "on"
    assert document["ok"] is (found["conditional puts"]["status"] == "ok")
    if not s3_service.is_real:
        assert document["ok"]
    assert bucket_in_environment.keys() == []


def test_bucket_with_default_retention_warns(bucket_in_environment: Bucket) -> None:
    client, name = bucket_in_environment.client, f"{bucket_in_environment.name}-locked"
    client.create_bucket(Bucket=name, ObjectLockEnabledForBucket=True)
    assert _checks(f"s3://{name}/lake", "--read-only")["object lock"]["status"] == "ok"
    retention = {"Mode": "GOVERNANCE", "Days": 1}
    client.put_object_lock_configuration(
        Bucket=name,
        ObjectLockConfiguration={"ObjectLockEnabled": "Enabled", "Rule": {"DefaultRetention": retention}},
    )
    lock = _checks(f"s3://{name}/lake", "--read-only")["object lock"]
    assert (lock["status"], lock["value"]) == ("warn", "on: governance, 1 days")


def test_missing_bucket_fails_with_a_remedy(bucket_in_environment: Bucket) -> None:
    checks = _checks(f"s3://{bucket_in_environment.name}-not/lake", expect=1)
    assert checks["list"]["status"] == "fail"
    assert "does not exist" in checks["list"]["remedy"]
    assert "clean-up" not in checks


def test_service_that_ignores_conditions_fails_in_a_plain_table(monkeypatch: pytest.MonkeyPatch) -> None:
    with FaultyS3Server("bucket", ignores_conditions=True).running() as server:
        _use(server, monkeypatch)
        result = _doctor("s3://bucket/lake", expect=1)
        assert server.stored("bucket") == {}
    assert "conditional puts  fail" in result.stdout
    assert "switch versioning off" in " ".join(result.stdout.split())
    assert max(map(len, result.stdout.splitlines())) <= 80
    assert result.stderr == "1 check failed\n"
    assert _SECRET not in result.output


def test_refused_delete_is_a_warning_that_names_what_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    with FaultyS3Server("bucket").running() as server:
        _use(server, monkeypatch)
        server.fail_always("DELETE", Fault.REFUSED)
        checks = _checks("s3://bucket/lake")
        assert checks["delete"]["status"] == "warn"
        left = [key for key in server.stored("bucket") if "doctor" in key]
        assert left
        assert all(key.removeprefix("lake/") in checks["clean-up"]["detail"] for key in left)


def test_read_only_sends_no_write(monkeypatch: pytest.MonkeyPatch) -> None:
    with FaultyS3Server("bucket").running() as server:
        _use(server, monkeypatch)
        statuses = _statuses(_checks("s3://bucket/lake", "--read-only"))
        assert {method for method, _ in server.requests} <= {"GET", "HEAD"}
    assert {name for name, status in statuses.items() if status == "skip"} == {
        "write",
        "read",
        "delete",
        "conditional puts",
        "throughput",
    }
    assert statuses["versioning"] == "unknown", "it answers with a listing"


def test_wrong_region_is_named_once_and_stops_what_would_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    with FaultyS3Server("bucket", region="eu-west-1").running() as server:
        _use(server, monkeypatch)
        checks = _checks("s3://bucket/lake", expect=1)
        assert checks["region"]["remedy"] == "Set AWS_REGION=eu-west-1, or the option region."
        assert checks["write"]["value"] == "not tried: see region"
        monkeypatch.setenv("AWS_REGION", "eu-west-1")
        assert _checks("s3://bucket/lake")["region"]["status"] == "ok"


def test_missing_credentials_are_found_out_by_one_request(monkeypatch: pytest.MonkeyPatch) -> None:
    """Here the machine's metadata service is one that refuses."""
    with FaultyS3Server("bucket").running() as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL", server.endpoint)
        monkeypatch.setenv("AWS_METADATA_ENDPOINT", server.endpoint)
        checks = _checks("s3://bucket/lake", expect=1)
    assert (checks["credentials"]["status"], checks["credentials"]["value"]) == ("fail", "none found")
    assert checks["list"]["value"] == "not tried: see credentials"


def test_unreachable_service_fails_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    server = FaultyS3Server("bucket")
    _use(server, monkeypatch)
    with server.running():
        pass
    checks = _checks("s3://bucket/lake", expect=1)
    assert checks["endpoint"]["detail"] == "Connection refused"
    assert {check["status"] for name, check in checks.items() if name not in {"location", "endpoint"}} == {"skip"}


def test_file_on_a_web_server_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    with FaultyS3Server("files").running() as server:
        _use(server, monkeypatch)
        store = headrace.connect("s3://files").store
        store.put("a.csv", b"a\n1\n")
        assert _checks(f"{server.endpoint}/files/a.csv")["read"]["value"] == "4 bytes"
        assert _checks(f"{server.endpoint}/files/b.csv", expect=1)["read"]["status"] == "fail"


@pytest.mark.parametrize("uri", ["s4://bucket", f"s3://key:{_SECRET}@bucket/lake", "s3://", "s3://bucket/../x"])
def test_wrong_address_fails_and_shows_no_secret(uri: str) -> None:
    result = _doctor(uri, expect=1)
    assert "location: fail: not understood" in result.stdout
    assert _SECRET not in result.output
    assert _checks(uri, expect=1)["location"]["remedy"]


def test_memory_is_a_place() -> None:
    assert _checks("memory://doctor/lake")["conditional puts"]["status"] == "ok"
