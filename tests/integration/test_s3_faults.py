"""The S3 store against a server that loses answers, fails, lies and redirects, over real HTTP."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing

import pytest

from headrace.errors import Conflict, DataCorrupted, InvalidInput, NotFound, PermissionDenied, Unavailable
from headrace.storage.opening import open_store
from headrace.storage.probe import PROBE_PREFIX, probe_conditional_puts
from headrace.storage.store import ObjectStore
from headrace.testing.s3_server import Fault, FaultyS3Server

_BUCKET = "bucket"


@pytest.fixture
def server() -> Iterator[FaultyS3Server]:
    with FaultyS3Server(_BUCKET).running() as running:
        yield running


def _open(server: FaultyS3Server, *, bucket: str = _BUCKET, **options: object) -> ObjectStore:
    defaults: dict[str, object] = {
        "endpoint": server.endpoint,
        "region": "us-east-1",
        "access_key_id": "test",
        "secret_access_key": "hunter2",
        "timeout_seconds": 5,
        "max_retries": 3,
    }
    return open_store(f"s3://{bucket}/lake", options={**defaults, **options})


@pytest.mark.parametrize("fault", [Fault.ERROR_AFTER, Fault.DROP_AFTER])
def test_put_new_with_lost_answer_finds_its_own_object(server: FaultyS3Server, fault: Fault) -> None:
    """The first attempt was stored; the next would be told that the key is taken, by ourselves."""
    server.fail_next("PUT", fault)
    assert _open(server).put_new("log/1", b"mine") is True
    assert server.stored(_BUCKET) == {"lake/log/1": b"mine"}


@pytest.mark.parametrize("fault", [Fault.ERROR_AFTER, Fault.DROP_AFTER])
def test_put_new_with_lost_answer_finds_another_winner(server: FaultyS3Server, fault: Fault) -> None:
    assert _open(server).put_new("log/1", b"theirs") is True
    server.fail_next("PUT", fault)
    assert _open(server).put_new("log/1", b"mine") is False
    assert server.stored(_BUCKET) == {"lake/log/1": b"theirs"}


@pytest.mark.parametrize("fault", [Fault.ERROR_BEFORE, Fault.DROP_BEFORE, Fault.CONFLICT, Fault.SLOW_DOWN])
def test_put_new_repeats_what_was_not_stored(server: FaultyS3Server, fault: Fault) -> None:
    server.fail_next("PUT", fault, fault)
    assert _open(server).put_new("log/1", b"mine") is True
    assert server.stored(_BUCKET) == {"lake/log/1": b"mine"}


def test_put_new_takes_a_conflict_for_no_answer(server: FaultyS3Server) -> None:
    """409 says that two writers met, not who won."""
    assert _open(server).put_new("log/1", b"theirs") is True
    server.fail_next("PUT", Fault.CONFLICT)
    assert _open(server).put_new("log/1", b"mine") is False


def test_put_new_reads_back_through_failures(server: FaultyS3Server) -> None:
    server.fail_next("PUT", Fault.DROP_AFTER)
    server.fail_next("GET", Fault.ERROR_BEFORE, Fault.DROP_BEFORE)
    assert _open(server).put_new("log/1", b"mine") is True


def test_put_new_with_unknown_outcome_says_so_and_removes_nothing(server: FaultyS3Server) -> None:
    server.fail_next("PUT", Fault.DROP_AFTER)
    server.fail_always("GET", Fault.ERROR_BEFORE)
    server.fail_always("PUT", Fault.ERROR_BEFORE)
    server.fail_next("PUT", Fault.DROP_AFTER)
    with pytest.raises(Unavailable, match="unknown"):
        _open(server, max_retries=1).put_new("log/1", b"mine")
    assert server.stored(_BUCKET) == {"lake/log/1": b"mine"}


def test_put_new_refused_after_a_lost_answer_is_unknown(server: FaultyS3Server) -> None:
    """A refusal of the second attempt says nothing about the first."""
    server.fail_next("PUT", Fault.DROP_BEFORE)
    server.fail_always("PUT", Fault.REFUSED)
    with pytest.raises(Unavailable, match="unknown"):
        _open(server, max_retries=1).put_new("log/1", b"mine")


def test_put_new_compares_bytes_where_the_store_forgets_metadata() -> None:
    with FaultyS3Server(_BUCKET, forgets_attributes=True).running() as server:
        server.fail_next("PUT", Fault.DROP_AFTER)
        assert _open(server).put_new("log/1", b"mine, with a random id") is True
        assert _open(server).put_new("log/1", b"another of this length") is False


def test_concurrent_claims_with_lost_answers_have_one_winner_each(server: FaultyS3Server) -> None:
    store = _open(server)
    num_writers, num_rounds = 6, 5
    server.fail_next("PUT", *[Fault.DROP_AFTER, Fault.ERROR_AFTER, Fault.CONFLICT, Fault.DROP_BEFORE] * 6)
    for round_idx in range(num_rounds):
        barrier = threading.Barrier(num_writers)
        won: list[int] = []

        def write(writer_idx: int, barrier: threading.Barrier, won: list[int], key: str) -> None:
            barrier.wait(timeout=30)
            if store.put_new(key, b"writer %d" % writer_idx):
                won.append(writer_idx)

        threads = [
            threading.Thread(target=write, args=(idx, barrier, won, f"log/{round_idx}")) for idx in range(num_writers)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(won) == 1
        assert store.get(f"log/{round_idx}") == b"writer %d" % won[0]


@pytest.mark.parametrize("fault", [Fault.ERROR_BEFORE, Fault.ERROR_AFTER, Fault.DROP_AFTER, Fault.SLOW_DOWN])
def test_other_requests_are_repeated(server: FaultyS3Server, fault: Fault) -> None:
    store = _open(server)
    for method in ("PUT", "GET", "HEAD", "DELETE"):
        server.fail_next(method, fault)
    store.put("objects/a", b"12345")
    assert store.get("objects/a") == b"12345"
    assert store.stat("objects/a") is not None
    store.delete("objects/a")
    assert server.stored(_BUCKET) == {}


def test_range_that_comes_back_short_is_corruption(server: FaultyS3Server) -> None:
    store = _open(server)
    store.put("objects/a", bytes(100))
    server.fail_next("GET", Fault.CUT_SHORT)
    with pytest.raises(DataCorrupted, match="objects/a"):
        store.get_ranges("objects/a", [(10, 20)])


def test_close_ranges_share_requests(server: FaultyS3Server) -> None:
    store = _open(server)
    content = bytes(number % 256 for number in range(1_000_000))
    store.put("objects/a", content)
    before = len(server.requests)
    ranges = [(start, start + 100) for start in range(0, 900_000, 1000)]
    assert store.get_ranges("objects/a", ranges) == [content[start:end] for start, end in ranges]
    assert len(server.requests) == before + 1
    far = [(0, 10), (999_990, 1_000_000)]
    assert store.get_ranges("objects/a", far) == [content[start:end] for start, end in far]
    assert len(server.requests) == before + 3


def _calls(store: ObjectStore) -> list[Callable[[], object]]:
    """One of each kind that reads or writes an object."""
    return [
        lambda: store.get("a"),
        lambda: store.get_ranges("a", [(0, 1)]),
        lambda: store.stat("a"),
        lambda: list(store.list("")),
        lambda: store.put_new("a", b""),
        lambda: store.put("a", b""),
        lambda: store.delete("a"),
    ]


def test_missing_bucket_is_named(server: FaultyS3Server) -> None:
    store = _open(server, bucket="nowhere")
    for action in (*_calls(store), store.prepare_for_writing):
        with pytest.raises(NotFound, match="bucket s3://nowhere does not exist"):
            action()


def test_refused_credentials_are_permission_denied(server: FaultyS3Server) -> None:
    store = _open(server)
    for method in ("GET", "PUT", "HEAD", "DELETE"):
        server.fail_always(method, Fault.REFUSED)
    for action in _calls(store):
        with pytest.raises(PermissionDenied, match="s3://bucket/lake") as caught:
            action()
        assert "hunter2" not in str(caught.value)
        assert server.endpoint not in str(caught.value)


@pytest.mark.parametrize("redirects", [False, True])
def test_wrong_region_names_both_regions(redirects: bool) -> None:
    with FaultyS3Server(_BUCKET, region="eu-central-1", redirects=redirects).running() as server:
        store = _open(server)
        for action in (
            lambda: store.get("a"),
            lambda: store.stat("a"),
            lambda: list(store.list("")),
            lambda: store.put_new("a", b""),
            lambda: store.put("a", b""),
            store.prepare_for_writing,
        ):
            with pytest.raises(InvalidInput) as caught:
                action()
            assert "region eu-central-1" in str(caught.value)
            assert "us-east-1" in str(caught.value)
        assert _open(server, region="eu-central-1").put_new("a", b"") is True


def test_region_and_endpoint_come_from_the_environment(server: FaultyS3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", server.endpoint)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-3")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    store = open_store(f"s3://{_BUCKET}")
    store.put("a", b"1")
    assert server.stored(_BUCKET) == {"a": b"1"}


def test_unreachable_endpoint_is_unavailable_in_bounded_time() -> None:
    with closing(socket.socket()) as taken:  # bound, so that no other test gets the port, and nobody listens
        taken.bind(("127.0.0.1", 0))
        options = {
            "endpoint": f"http://127.0.0.1:{taken.getsockname()[1]}",
            "access_key_id": "test",
            "secret_access_key": "test",
            "timeout_seconds": 2,
            "max_retries": 2,
        }
        store = open_store("s3://bucket", options=options)
        started = time.monotonic()
        for action in (lambda: store.get("a"), lambda: store.put_new("a", b""), lambda: list(store.list(""))):
            with pytest.raises(Unavailable, match="no connection"):
                action()
        assert time.monotonic() - started < 20


def test_silent_endpoint_is_unavailable_in_bounded_time() -> None:
    """It accepts connections and never answers."""
    with closing(socket.create_server(("127.0.0.1", 0), backlog=50)) as silent:
        options = {
            "endpoint": f"http://127.0.0.1:{silent.getsockname()[1]}",
            "access_key_id": "test",
            "secret_access_key": "test",
            "timeout_seconds": 0.3,
            "max_retries": 1,
        }
        store = open_store("s3://bucket", options=options)
        started = time.monotonic()
        for action in (lambda: store.get("a"), lambda: store.put_new("a", b"")):
            with pytest.raises(Unavailable, match="no answer in time"):
                action()
        assert time.monotonic() - started < 15


def test_missing_credentials_are_named(server: FaultyS3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without any, the SDK asks the machine's metadata service, here one that refuses."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_METADATA_ENDPOINT", server.endpoint)
    store = open_store("s3://bucket", options={"endpoint": server.endpoint, "max_retries": 0})
    with pytest.raises(PermissionDenied, match="no credentials were found"):
        store.get("a")
    anonymous = open_store("s3://bucket", options={"endpoint": server.endpoint, "anonymous": True})
    assert anonymous.stat("a") is None


def test_prepare_refuses_a_store_that_ignores_conditions() -> None:
    with FaultyS3Server(_BUCKET, ignores_conditions=True).running() as server:
        store = _open(server)
        for _ in range(2):  # a failed probe is not remembered as passed
            with pytest.raises(Conflict, match="versioning") as caught:
                store.prepare_for_writing()
        assert "If-None-Match" in str(caught.value)
        assert server.stored(_BUCKET) == {}


def test_prepare_probes_once_per_process_and_store(server: FaultyS3Server) -> None:
    _open(server).prepare_for_writing()
    num_requests = len(server.requests)
    assert num_requests > 0
    _open(server).prepare_for_writing()
    assert len(server.requests) == num_requests
    open_store(
        f"s3://{_BUCKET}/other",
        options={"endpoint": server.endpoint, "access_key_id": "test", "secret_access_key": "test"},
    ).prepare_for_writing()
    assert len(server.requests) > num_requests


def test_probe_uses_fresh_keys_under_the_log_and_removes_them(server: FaultyS3Server) -> None:
    probe_conditional_puts(_open(server))
    probe_conditional_puts(_open(server))
    written = {path for method, path in server.requests if method == "PUT"}
    assert len(written) == 4
    assert all(path.startswith(f"/{_BUCKET}/lake/{PROBE_PREFIX}") for path in written)
    assert server.stored(_BUCKET) == {}


def test_probe_passes_without_the_right_to_delete(server: FaultyS3Server) -> None:
    server.fail_always("DELETE", Fault.REFUSED)
    _open(server).prepare_for_writing()
    assert len(server.stored(_BUCKET)) == 2
