"""Requests drawn from the OpenAPI document: whatever comes, the server answers and never fails."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import hypothesis
import pyarrow as pa
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from schemathesis import Case
from schemathesis.core.result import Ok

import headrace
from headrace.service.database import open_database
from headrace.service.http_api.application import create_application
from headrace.service.jobs.job_store import JobStore
from tests.generated_media import image_bytes

_KNOWN = {"name": "photos", "snapshot": "@prod", "row": 0, "job": "1", "alias": "prod"}
"""What is there, so that requests get further than to 404."""


def test_no_request_of_the_document_makes_the_server_fail(tmp_path: Path) -> None:
    lake = headrace.connect(tmp_path / "lake")
    rows = pa.table({"id": ["a", "b"], "image": [image_bytes(), image_bytes(shade=3)], "label": ["x", "y"]})
    dataset = lake.create_dataset("photos", "IMAGE_CLASS", source=rows)
    dataset.snapshot().alias("prod")
    database = open_database(f"sqlite:///{tmp_path}/jobs.sqlite")
    jobs = JobStore(database)
    jobs.submit("prepare", {"dataset": "photos"})
    document = schemathesis.openapi.from_asgi("/openapi.json", create_application(lake, jobs=jobs))
    statuses: Counter[tuple[str, int]] = Counter()
    for result in document.get_all_operations():
        assert isinstance(result, Ok)
        operation = result.ok()

        @settings(
            max_examples=5,
            deadline=None,
            derandomize=True,
            database=None,
            phases=[Phase.explicit, Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @hypothesis.given(case=operation.as_strategy(), is_known=hypothesis.strategies.booleans())
        def send(case: Case[Any], is_known: bool) -> None:
            if is_known and case.operation.label != "DELETE /v1/datasets/{name}":
                _name_what_is_there(case)
            response = case.call()
            statuses[case.operation.label, response.status_code] += 1
            assert response.status_code < 500, (case.as_curl_command(), response.text)
            if response.status_code >= 400:
                assert response.headers["content-type"] == ["application/problem+json"]
                assert str(tmp_path) not in response.text

        send()
    database.close()
    assert len({label for label, _ in statuses}) >= 31
    assert sum(count for (_, status), count in statuses.items() if status < 300) >= 20


def _name_what_is_there(case: Case[Any]) -> None:
    for name in case.path_parameters or {}:
        if name in _KNOWN:
            case.path_parameters[name] = _KNOWN[name]
        elif name == "column":
            case.path_parameters[name] = "image"
    if isinstance(case.body, dict):
        for name, value in (("reference", "photos"), ("snapshot", "@prod")):
            if name in case.body:
                case.body[name] = value
