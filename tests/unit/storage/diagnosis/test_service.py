"""Endpoint, clock and region, from answers as services give them."""

from __future__ import annotations

from collections.abc import Mapping
from email.utils import formatdate

import pytest

from headrace.storage.diagnosis.http_answers import Answer, AskHttp, NoAnswer
from headrace.storage.diagnosis.results import CheckResult
from headrace.storage.diagnosis.running import run_checks
from headrace.storage.diagnosis.service import ServiceChecks, bucket_address
from headrace.storage.options import StoreOptions
from headrace.storage.uris import StoreUri

_NOW = 1_700_000_000.0


def _answering(*, status: int = 403, seconds: float = 0.02, date: float | None = _NOW, **headers: str) -> AskHttp:
    def ask(method: str, url: str, *, headers: Mapping[str, str], timeout_seconds: float) -> Answer:
        return Answer(status, found, b"", seconds)

    found = {name.replace("_", "-"): value for name, value in headers.items()}
    if date is not None:
        found["date"] = formatdate(date, usegmt=True)
    return ask


def _run(
    ask: AskHttp,
    *,
    uri: str = "s3://bucket/lake",
    options: StoreOptions | None = None,
    environment: Mapping[str, str] | None = None,
) -> dict[str, CheckResult]:
    checks = ServiceChecks(
        StoreUri.parse(uri), options or StoreOptions(), environment=environment or {}, ask=ask, clock=lambda: _NOW + 0.5
    )
    return {result.name: result for result in run_checks(checks.checks(), is_read_only=True)}


def test_answer_of_any_status_says_that_the_service_is_there() -> None:
    found = _run(_answering(x_amz_bucket_region="us-east-1"))
    assert [result.status for result in found.values()] == ["ok", "ok", "ok"]
    assert found["endpoint"].finding.value == "https://s3.us-east-1.amazonaws.com, 20 ms"


def test_no_answer_fails_and_skips_the_rest() -> None:
    def ask(method: str, url: str, *, headers: Mapping[str, str], timeout_seconds: float) -> Answer:
        raise NoAnswer("Connection refused")

    found = _run(ask)
    assert [result.status for result in found.values()] == ["fail", "skip", "skip"]
    assert found["endpoint"].finding.detail == "Connection refused"
    assert "AWS_ENDPOINT_URL" in str(found["endpoint"].finding.remedy)


def test_far_and_sick_services_warn() -> None:
    assert _run(_answering(seconds=0.8))["endpoint"].status == "warn"
    assert _run(_answering(status=503))["endpoint"].finding.value.endswith("HTTP 503")


@pytest.mark.parametrize(
    ("ahead", "status", "value"),
    [
        (0, "ok", "right to a second or two"),
        (59, "ok", "59 s fast"),
        (-59, "ok", "59 s slow"),
        (120, "warn", "120 s fast"),
        (-600, "warn", "600 s slow"),
        (3600, "fail", "3,600 s fast"),
        (-1000, "fail", "1,000 s slow"),
    ],
)
def test_clock_is_judged_by_what_breaks_signatures(ahead: int, status: str, value: str) -> None:
    """A date without fractions stands for the middle of its second."""
    finding = _run(_answering(date=_NOW - ahead, seconds=0.0))["clock"].finding
    assert (finding.status, finding.value) == (status, value)
    assert (finding.remedy is None) == (status == "ok")


def test_service_without_a_date_leaves_the_clock_unknown() -> None:
    assert _run(_answering(date=None))["clock"].status == "unknown"


def test_wrong_region_names_the_right_one() -> None:
    found = _run(_answering(x_amz_bucket_region="eu-west-1"), environment={"AWS_REGION": "us-west-2"})["region"].finding
    assert (found.status, found.value) == ("fail", "the bucket is in eu-west-1, not in us-west-2")
    assert found.remedy == "Set AWS_REGION=eu-west-1, or the option region."


@pytest.mark.parametrize(
    ("options", "environment", "words"),
    [
        ({"region": "eu-west-1"}, {"AWS_REGION": "us-west-2"}, "eu-west-1 (the option)"),
        ({}, {"AWS_DEFAULT_REGION": "eu-west-1"}, "eu-west-1 (AWS_DEFAULT_REGION)"),
    ],
)
def test_region_names_its_source(options: dict[str, str], environment: dict[str, str], words: str) -> None:
    found = _run(_answering(x_amz_bucket_region="eu-west-1"), options=StoreOptions.of(options), environment=environment)
    assert found["region"].finding.value == words


def test_region_that_the_service_does_not_name() -> None:
    assert _run(_answering())["region"].status == "unknown"
    own = _run(_answering(), options=StoreOptions.of({"endpoint": "https://rgw.example.org"}))["region"].finding
    assert (own.status, own.value) == ("ok", "us-east-1 (default); the service names none")


@pytest.mark.parametrize(
    ("uri", "options", "address"),
    [
        ("s3://b/lake", {}, "https://s3.us-east-1.amazonaws.com/b"),
        ("s3://b/lake", {"region": "eu-west-1"}, "https://s3.eu-west-1.amazonaws.com/b"),
        ("s3://b/lake", {"endpoint": "http://here:9000/"}, "http://here:9000/b"),
        ("s3://b", {"endpoint": "http://here:9000", "path_style": False}, "http://b.here:9000/"),
        ("gs://b/lake", {}, "https://storage.googleapis.com/b"),
        ("az://b/lake", {"access_key_id": "me", "secret_access_key": "x"}, "https://me.blob.core.windows.net/b"),
        ("az://b/lake", {}, None),
        ("https://host/a%20b.csv", {}, "https://host/a%20b.csv"),
    ],
)
def test_address_of_a_place(uri: str, options: dict[str, object], address: str | None) -> None:
    assert bucket_address(StoreUri.parse(uri), StoreOptions.of(options), {}) == address


def test_other_clouds_have_no_region_check() -> None:
    assert list(_run(_answering(), uri="gs://bucket")) == ["endpoint", "clock"]
    assert _run(_answering(), uri="az://bucket")["endpoint"].finding.remedy == "Set AZURE_STORAGE_ACCOUNT_NAME."
