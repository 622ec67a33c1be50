"""Where credentials come from; never what they are."""

from __future__ import annotations

from pathlib import Path

import pytest

from headrace.errors import InvalidInput, PermissionDenied
from headrace.storage.diagnosis.credentials import check_credentials
from headrace.storage.diagnosis.results import Finding
from headrace.storage.options import StoreOptions
from headrace.storage.uris import Scheme

_SECRET = "hunter2"
_PAIR = {"AWS_ACCESS_KEY_ID": "AKIDHUNTER", "AWS_SECRET_ACCESS_KEY": _SECRET}


def _check(
    scheme: Scheme,
    home: Path,
    *,
    options: dict[str, object] | None = None,
    environment: dict[str, str] | None = None,
    error: Exception | None = None,
) -> Finding:
    def try_request() -> None:
        if error is not None:
            raise error

    return check_credentials(
        scheme, StoreOptions.of(options), environment=environment or {}, home=home, try_request=try_request
    )


@pytest.mark.parametrize(
    ("scheme", "options", "environment", "value"),
    [
        ("s3", {"anonymous": True}, _PAIR, "none: unsigned requests were asked for"),
        ("s3", {"access_key_id": "a", "secret_access_key": _SECRET}, _PAIR, "from the options"),
        ("s3", {}, _PAIR, "from AWS_ACCESS_KEY_ID"),
        ("s3", {}, {**_PAIR, "AWS_SESSION_TOKEN": _SECRET}, "from AWS_ACCESS_KEY_ID with AWS_SESSION_TOKEN"),
        ("s3", {}, {"AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://x"}, "from the container's role"),
        ("s3", {}, {}, "from the machine's own service"),
        ("gs", {}, {"GOOGLE_APPLICATION_CREDENTIALS": "/x"}, "from GOOGLE_APPLICATION_CREDENTIALS"),
        ("gs", {"session_token": _SECRET}, {}, "from the options"),
        ("az", {}, {"AZURE_STORAGE_ACCOUNT_KEY": _SECRET}, "from AZURE_STORAGE_ACCOUNT_KEY"),
    ],
)
def test_source_is_named_and_no_value(
    scheme: Scheme, options: dict[str, object], environment: dict[str, str], value: str, tmp_path: Path
) -> None:
    finding = _check(scheme, tmp_path, options=options, environment=environment)
    assert (finding.status, finding.value) == ("ok", value)
    assert _SECRET not in repr(finding)
    assert "AKIDHUNTER" not in repr(finding)


def test_file_of_google_is_found(tmp_path: Path) -> None:
    file = tmp_path / ".config" / "gcloud" / "application_default_credentials.json"
    file.parent.mkdir(parents=True)
    file.write_text("{}")
    assert "application_default_credentials" in _check("gs", tmp_path).value


def test_none_found_fails_and_tells_of_profiles(tmp_path: Path) -> None:
    none = PermissionDenied("cannot list: no credentials were found. Set …")
    finding = _check("s3", tmp_path, error=none)
    assert (finding.status, finding.value, finding.detail) == ("fail", "none found", None)
    assert "AWS_ACCESS_KEY_ID" in str(finding.remedy)
    (tmp_path / ".aws").mkdir()
    (tmp_path / ".aws" / "credentials").write_text(f"[default]\naws_secret_access_key = {_SECRET}\n")
    finding = _check("s3", tmp_path, error=none)
    assert "profiles are not read" in str(finding.detail)
    assert _SECRET not in repr(finding)


def test_refusal_for_another_reason_says_that_there_are_some(tmp_path: Path) -> None:
    assert _check("s3", tmp_path, error=PermissionDenied("the store refuses to list")).status == "ok"


def test_half_a_pair_is_an_error_of_its_own(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="without its secret"):
        _check("s3", tmp_path, environment={"AWS_ACCESS_KEY_ID": "a"})
