"""Google's and Azure's clients: claims, reads and errors, against a server that speaks the part that we use."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from headrace.errors import InvalidInput, NotFound, PermissionDenied, Unavailable
from headrace.storage.opening import open_store
from headrace.testing.s3_server import Fault, FaultyS3Server

_CREDENTIALS: dict[str, dict[str, object]] = {
    "gs": {"session_token": "token"},
    "az": {"access_key_id": "account", "secret_access_key": "c2VjcmV0"},
}


@pytest.fixture
def server() -> Iterator[FaultyS3Server]:
    with FaultyS3Server("bucket").running() as running:
        yield running


@pytest.mark.parametrize("scheme", ["gs", "az"])
def test_claims_and_reads(server: FaultyS3Server, scheme: str) -> None:
    options = {"endpoint": server.endpoint, "timeout_seconds": 5, "max_retries": 1, **_CREDENTIALS[scheme]}
    store = open_store(f"{scheme}://bucket/lake", options=options)
    assert store.uri == f"{scheme}://bucket/lake"
    assert store.put_new("log/1", b"0123456789") is True
    assert store.put_new("log/1", b"0123456789") is False
    server.fail_next("PUT", Fault.DROP_AFTER)
    assert store.put_new("log/2", b"mine") is True
    assert store.get("log/1") == b"0123456789"
    assert store.get_ranges("log/1", [(2, 4), (0, 1)]) == [b"23", b"0"]
    found = store.stat("log/1")
    assert found is not None
    assert found.size == 10
    with pytest.raises(NotFound, match=f"{scheme}://bucket/lake/log/3"):
        store.get("log/3")
    assert store.stat("log/3") is None


@pytest.mark.parametrize("scheme", ["gs", "az"])
def test_refusals_and_failures(server: FaultyS3Server, scheme: str) -> None:
    options = {"endpoint": server.endpoint, "timeout_seconds": 5, "max_retries": 0, **_CREDENTIALS[scheme]}
    store = open_store(f"{scheme}://bucket", options=options)
    server.fail_next("GET", Fault.REFUSED, Fault.SLOW_DOWN)
    with pytest.raises(PermissionDenied, match=f"{scheme}://bucket/a"):
        store.get("a")
    with pytest.raises(Unavailable, match="SlowDown"):
        store.get("a")


def test_azure_without_account_names_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AZURE_STORAGE_ACCOUNT_NAME", "AZURE_ACCOUNT_NAME"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(InvalidInput, match="AZURE_STORAGE_ACCOUNT_NAME"):
        open_store("az://container/lake")
