"""Versioning and object lock, from answers as services give them."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from headrace.storage.diagnosis.bucket_settings import BucketSettings
from headrace.storage.diagnosis.http_answers import Answer, NoAnswer
from headrace.storage.diagnosis.results import Finding
from headrace.storage.diagnosis.running import run_checks
from headrace.storage.options import StoreOptions
from headrace.storage.uris import StoreUri

_NAMESPACE = 'xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'
_ON = f"<VersioningConfiguration {_NAMESPACE}><Status>Enabled</Status></VersioningConfiguration>"
_NO_LOCK = "<Error><Code>ObjectLockConfigurationNotFoundError</Code></Error>"
_LOCK = (
    f"<ObjectLockConfiguration {_NAMESPACE}><ObjectLockEnabled>Enabled</ObjectLockEnabled><Rule><DefaultRetention>"
    "<Mode>COMPLIANCE</Mode><Days>30</Days></DefaultRetention></Rule></ObjectLockConfiguration>"
)
_LOCK_WITHOUT_RULE = "<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled></ObjectLockConfiguration>"


def _run(
    status: int,
    body: str,
    *,
    endpoint: str | None = "http://rgw:80",
    is_probed: bool = True,
    environment: Mapping[str, str] | None = None,
) -> dict[str, Finding]:
    asked = []

    def ask(method: str, url: str, *, headers: Mapping[str, str], timeout_seconds: float) -> Answer:
        asked.append(url)
        assert "hunter2" not in str(headers)
        if status == 0:
            raise NoAnswer("no answer within 10 s")
        return Answer(status, {}, body.encode(), 0.01)

    settings = BucketSettings(
        StoreUri.parse("s3://bucket/lake"),
        StoreOptions.of({"endpoint": endpoint} if endpoint else {}),
        environment={"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "hunter2"}
        if environment is None
        else environment,
        ask=ask,
        is_probed=is_probed,
    )
    found = {result.name: result.finding for result in run_checks(settings.checks(needs=()), is_read_only=False)}
    assert {url.partition("?")[2] for url in asked} <= {"versioning", "object-lock"}
    return found


@pytest.mark.parametrize(
    ("body", "status", "value"),
    [
        (_ON, "warn", "on"),
        (_ON.replace("Enabled", "Suspended"), "ok", "suspended"),
        (f"<VersioningConfiguration {_NAMESPACE}/>", "ok", "off"),
    ],
)
def test_versioning_is_told(body: str, status: str, value: str) -> None:
    finding = _run(200, body)["versioning"]
    assert (finding.status, finding.value) == (status, value)


def test_versioning_that_was_not_tried_warns_of_gateways_except_at_amazons() -> None:
    assert "gateways ignore conditional puts" in str(_run(200, _ON, is_probed=False)["versioning"].detail)
    for found in (_run(200, _ON), _run(200, _ON, is_probed=False, endpoint=None)):
        assert "purge refuses to run here" in str(found["versioning"].detail)


def test_object_lock_is_told() -> None:
    assert _run(404, _NO_LOCK)["object lock"].value == "off"
    assert _run(200, _LOCK_WITHOUT_RULE)["object lock"].status == "ok"
    finding = _run(200, _LOCK)["object lock"]
    assert (finding.status, finding.value) == ("warn", "on: compliance, 30 days")


@pytest.mark.parametrize(
    ("status", "body"), [(0, ""), (403, "<Error/>"), (501, ""), (200, "<ListBucketResult/>"), (404, "<Error/>")]
)
def test_what_is_not_told_is_unknown(status: int, body: str) -> None:
    """A service that knows no sub-resources answers with a listing."""
    assert {finding.status for finding in _run(status, body).values()} == {"unknown"}


def test_credentials_of_the_machine_cannot_sign_here() -> None:
    finding = _run(200, _ON, environment={})["versioning"]
    assert (finding.status, finding.value) == ("unknown", "not asked")
    assert finding.remedy == "aws s3api get-bucket-versioning --bucket bucket"
