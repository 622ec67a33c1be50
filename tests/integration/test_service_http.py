"""The HTTP edge over real sockets: every route, pages, versions, ranges, limits, and what must not leak."""

from __future__ import annotations

import base64
import http.client
import io
import json
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import uvicorn
from starlette.testclient import TestClient

import headrace
from headrace.service.database import open_database
from headrace.service.http_api.application import create_application
from headrace.service.jobs.job_store import JobStore
from tests.generated_media import image_bytes

ROWS = '{"text": "grüß dich 你好", "labels": ["greet"]}\n{"text": "tschüss", "labels": ["bye"]}\n'
NDJSON = "application/x-ndjson"
PARQUET = "application/vnd.apache.parquet"


@dataclass
class Answer:
    """What came back."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def document(self) -> Any:
        return json.loads(self.body)


@dataclass
class Server:
    """A running server and its folders."""

    port: int
    lake: Path
    uploads: Path
    jobs: JobStore
    readiness: dict[str, bool] = field(default_factory=lambda: {"is_ready": True})

    def ask(
        self,
        method: str,
        path: str,
        document: object = None,
        *,
        body: bytes | str | None = None,
        query: dict[str, Any] | None = None,
        **headers: str,
    ) -> Answer:
        """One request on a connection of its own; header names with '_' for '-'."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        data = body.encode() if isinstance(body, str) else body
        if document is not None:
            data = json.dumps(document).encode()
            sent.setdefault("Content-Type", "application/json")
        if query:
            path += "?" + urlencode(query, doseq=True)
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.request(method, path, body=data, headers=sent)
            response = connection.getresponse()
            return Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())
        finally:
            connection.close()

    def commit(self, name: str, rows: str | bytes = ROWS, kind: str = NDJSON, **query: Any) -> Answer:
        """Commit rows to a dataset."""
        return self.ask("POST", f"/v1/datasets/{name}/commits", body=rows, query=query, Content_Type=kind)

    def create(self, name: str, **fields: Any) -> Answer:
        """Create a dataset."""
        answer = self.ask("POST", "/v1/datasets", {"name": name, **(fields or {"type": "TEXT_INTENT"})})
        assert answer.status == 201, answer.body
        return answer


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server on a lake that does not exist yet."""
    root = tmp_path_factory.mktemp("http")
    (root / "uploads").mkdir()
    readiness = {"is_ready": True}
    database = open_database(f"sqlite:///{root}/jobs.sqlite")
    jobs = JobStore(database)
    application = create_application(
        headrace.connect(root / "lake"),
        jobs=jobs,
        is_ready=lambda: readiness["is_ready"],
        upload_directory=root / "uploads",
    )
    listener = socket.create_server(("127.0.0.1", 0))
    running = uvicorn.Server(uvicorn.Config(application, log_level="warning", lifespan="off"))
    thread = threading.Thread(target=running.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    deadline = time.monotonic() + 10
    while not running.started and time.monotonic() < deadline:
        time.sleep(0.01)  # uvicorn tells nobody when it is up
    yield Server(listener.getsockname()[1], root / "lake", root / "uploads", jobs, readiness)
    running.should_exit = True
    thread.join(10)
    listener.close()
    database.close()
    assert not thread.is_alive()


def problem(answer: Answer, status: int) -> dict[str, Any]:
    """The problem of an answer that must be one."""
    assert answer.status == status, answer.body
    assert answer.headers["content-type"] == "application/problem+json"
    document: dict[str, Any] = answer.document
    assert document["status"] == status
    assert document["type"].startswith("urn:headrace:problem:")
    assert document["title"]
    assert document["detail"]
    return document


def parquet_bytes(table: pa.Table) -> bytes:
    """A table as a Parquet file."""
    sink = io.BytesIO()
    pq.write_table(table, sink)
    return sink.getvalue()


# -- operations --------------------------------------------------------------------------------------------------


def test_health_readiness_and_openapi_answer(server: Server) -> None:
    assert server.ask("GET", "/healthz").document == {"status": "ok"}
    assert server.ask("GET", "/readyz").status == 200
    server.readiness["is_ready"] = False
    try:
        answer = server.ask("GET", "/readyz")
    finally:
        server.readiness["is_ready"] = True
    problem(answer, 503)
    assert answer.headers["retry-after"]
    document = server.ask("GET", "/openapi.json").document
    operations = [operation for path in document["paths"].values() for operation in path.values()]
    ids = [operation["operationId"] for operation in operations]
    assert len(ids) == len(set(ids)) >= 26
    for operation in operations:
        assert operation["description"]
        assert set(operation["responses"]["default"]["content"]) == {"application/problem+json"}


def test_metrics_count_by_route_template_and_status(server: Server) -> None:
    server.ask("GET", "/v1/datasets/nobody-1")
    server.ask("GET", "/v1/datasets/nobody-2")
    server.ask("GET", "/nothing/here")
    text = server.ask("GET", "/metrics").body.decode()
    assert 'headrace_http_requests_total{method="GET",route="/v1/datasets/{name}",status="404"}' in text
    assert 'route="unknown",status="404"' in text
    assert "nobody-1" not in text
    assert "headrace_http_request_seconds_bucket" in text


# -- datasets ----------------------------------------------------------------------------------------------------


def test_dataset_is_created_read_deleted_and_restored(server: Server) -> None:
    made = server.ask(
        "POST", "/v1/datasets", {"name": "life", "type": "TEXT_INTENT", "description": "Größe 你好", "owner": "ann"}
    )
    assert made.status == 201
    number = made.document["id"]
    assert made.headers["location"] == f"/v1/datasets/{number}"
    assert made.headers["etag"] == '"1"'
    read = server.ask("GET", f"/v1/datasets/{number}")
    assert read.document == server.ask("GET", "/v1/datasets/life").document == made.document
    assert read.document["description"] == "Größe 你好"
    assert read.headers["etag"] == '"1"'
    assert server.ask("DELETE", "/v1/datasets/life").status == 204
    problem(server.ask("GET", "/v1/datasets/life"), 404)
    assert server.ask("POST", "/v1/datasets/life/restore", query={"rename": "life2"}).document["name"] == "life2"
    assert server.ask("GET", "/v1/datasets/life2").document["id"] == number


def test_taken_and_bad_names_are_problems(server: Server) -> None:
    server.create("taken")
    assert problem(server.ask("POST", "/v1/datasets", {"name": "taken", "type": "GENERIC"}), 409)["type"].endswith(
        "already-exists"
    )
    for name in ("", "..", "a/b", "1", "ü", "x" * 101, "a\u0000b"):
        problem(server.ask("POST", "/v1/datasets", {"name": name, "type": "GENERIC"}), 400)
    problem(server.ask("POST", "/v1/datasets", {"name": "fine", "type": "NONSENSE"}), 400)
    problem(server.ask("POST", "/v1/datasets", {"name": "fine", "typ": "GENERIC"}), 400)


def test_table_is_created_with_its_columns(server: Server) -> None:
    columns = [
        {"name": "id", "type": "int64", "nullable": False},
        {"name": "when", "type": {"timestamp": ["us", "UTC"]}},
        {"name": "photo", "media": "image"},
    ]
    server.create("declared", schema=columns, key="id", on_duplicate_key="replace")
    found = server.ask("GET", "/v1/datasets/declared/schema").document["columns"]
    assert [column["name"] for column in found] == ["id", "when", "photo"]
    assert found[1]["type"] == {"timestamp": ["us", "UTC"]}
    assert found[2]["media"] == "image"
    refused = server.ask("POST", "/v1/datasets", {"name": "bad", "schema": [{"name": "x", "type": {"list": 7}}]})
    assert problem(refused, 400)["column"] == "x"


def test_lists_come_in_pages(server: Server) -> None:
    for idx in range(5):
        server.create(f"page{idx}")
    everything = server.ask("GET", "/v1/datasets", query={"limit": 1000}).document
    assert everything["next"] is None
    names, cursor = [], None
    while True:
        query = {"limit": 2, **({} if cursor is None else {"cursor": cursor})}
        page = server.ask("GET", "/v1/datasets", query=query).document
        assert 1 <= len(page["items"]) <= 2
        names += [item["name"] for item in page["items"]]
        cursor = page["next"]
        if cursor is None:
            break
    assert names == [item["name"] for item in everything["items"]]
    first = server.ask("GET", "/v1/datasets", query={"limit": 1}).document
    problem(server.ask("GET", "/v1/audit", query={"cursor": first["next"]}), 400)
    for query in ({"limit": 0}, {"limit": 1001}, {"limit": "x"}, {"cursor": "é%%"}, {"cursor": "W10"}):
        problem(server.ask("GET", "/v1/datasets", query=query), 400)


# -- commits -----------------------------------------------------------------------------------------------------


def test_rows_are_committed_as_lines_csv_and_parquet(server: Server) -> None:
    server.create("intents")
    made = server.commit("intents", message="erste 你好", tag=["category=aaa", "category=bbb", "lang=de"])
    assert made.status == 201, made.body
    assert made.document["id"] == "1"
    assert made.document["num_rows"] == 2
    assert made.document["tags"] == {"category": ["aaa", "bbb"], "lang": "de"}
    assert made.document["sources"][0]["uri"] == "upload://rows.jsonl"
    assert (
        server.commit("intents", "how are you,greet\nbye now,bye\n", 'text/csv; header=absent; charset="UTF-8"').status
        == 201
    )
    table = pa.table({"text": ["again"], "labels": [["greet"]]})
    assert server.commit("intents", parquet_bytes(table), PARQUET).status == 201
    log = server.ask("GET", "/v1/datasets/intents/commits", query={"limit": 2}).document
    assert [item["id"] for item in log["items"]] == ["1", "2"]
    rest = server.ask("GET", "/v1/datasets/intents/commits", query={"cursor": log["next"]}).document
    assert [item["num_rows"] for item in rest["items"]] == [1]
    one = server.ask("GET", "/v1/datasets/intents/commits/2").document
    assert one["num_rows"] == 2
    assert one["statistics"]
    assert server.ask("GET", "/v1/datasets/intents/statistics").document["statistics"]["num_rows"] == 5
    assert list(server.uploads.iterdir()) == []


def test_commits_are_hidden_shown_and_reverted(server: Server) -> None:
    server.create("undo")
    for _ in range(3):
        server.commit("undo")
    assert server.ask("DELETE", "/v1/datasets/undo/commits/2").status == 204
    problem(server.ask("DELETE", "/v1/datasets/undo/commits/2"), 409)
    assert server.ask("GET", "/v1/datasets/undo/commits/2").document["is_deleted"] is True
    assert server.ask("POST", "/v1/datasets/undo/commits/2/restore").document["is_deleted"] is False
    gone = server.ask("POST", "/v1/datasets/undo/rows/delete", {"where": "list_contains(labels, 'bye')"})
    assert gone.document == {"num_rows": 3}
    assert server.ask("GET", "/v1/datasets/undo").document["num_rows"] == 3
    changes = server.ask("GET", "/v1/datasets/undo/changes", query={"since": "1"}).document
    assert changes["added"] == 2
    assert changes["removed"] == 1
    later = server.ask("GET", "/v1/datasets/undo/changes", query={"since": changes["until"]}).document
    assert later["entries"] == []
    assert server.ask("POST", "/v1/datasets/undo/revert", {"to": "1"}).document["num_rows"] == 2
    for number in ("9", "0", "x", "%C3%A9", "9" * 18):
        problem(server.ask("GET", f"/v1/datasets/undo/commits/{number}"), 404)
    problem(server.ask("GET", "/v1/datasets/undo/commits/" + "9" * 5000), 400)
    problem(server.ask("POST", "/v1/datasets/undo/revert", {"to": "9" * 5000}), 400)
    problem(server.ask("POST", "/v1/datasets/undo/snapshots", {"upto": "9" * 5000}), 400)


def test_rows_are_deleted_by_key(server: Server) -> None:
    server.create("keyed", schema=[{"name": "id", "type": "int64", "nullable": False}], key="id")
    assert server.commit("keyed", '{"id": 1}\n{"id": 2}\n').status == 201
    assert server.ask("POST", "/v1/datasets/keyed/rows/delete", {"keys": [2]}).document == {"num_rows": 1}
    problem(server.ask("POST", "/v1/datasets/keyed/rows/delete", {"keys": [7]}), 404)
    problem(server.ask("POST", "/v1/datasets/keyed/rows/delete", {}), 400)


def test_rows_with_moments_beyond_python_are_shown(server: Server) -> None:
    server.create("ages", schema=[{"name": "day", "type": "date32"}])
    table = pa.table({"day": pa.array([0, 10_000_000], pa.int32()).cast(pa.date32())})
    assert server.commit("ages", parquet_bytes(table), PARQUET).status == 201
    rows = server.ask("GET", "/v1/datasets/ages/snapshots/@upto:1/rows").document["rows"]
    assert [row["day"] for row in rows] == ["1970-01-01", "29349-01-26"]
    assert list(rows[0])[:2] == ["_id", "_digest"]
    assert server.ask("GET", "/v1/datasets/ages/snapshots/@upto:1").status == 200
    result = server.ask("POST", "/v1/query", {"reference": "ages", "sql": "SELECT max(day) FROM snapshot"})
    assert result.document["rows"] == [["29349-01-26"]]


def test_refused_rows_change_nothing_and_leave_nothing(server: Server) -> None:
    server.create("strict", schema=[{"name": "n", "type": "int64"}])
    assert server.commit("strict", '{"n": 1}\n').status == 201
    before = server.ask("GET", "/v1/datasets/strict").headers["etag"]
    wrong = problem(server.commit("strict", '{"n": 1}\n{"n": "zwölf"}\n'), 400)
    assert wrong["column"] == "n"
    assert wrong["line"] == 2
    assert str(server.uploads) not in json.dumps(wrong)
    for body, kind in (("", NDJSON), ("{", NDJSON), ("PAR1 no", PARQUET), ('{"n": 1}\n\xff', NDJSON)):
        data = body.encode("latin-1")
        problem(server.commit("strict", data, kind), 400)
    for kind in ("application/json", "text/html", "text/csv; charset=latin-1", ""):
        problem(server.commit("strict", '{"n": 1}\n', kind), 415)
    problem(server.commit("strict", '{"n": 1}\n', tag="no-tag"), 400)
    problem(server.commit("nobody", '{"n": 1}\n'), 404)
    assert server.ask("GET", "/v1/datasets/strict").headers["etag"] == before
    assert list(server.uploads.iterdir()) == []


def test_rows_name_no_file_and_no_address(server: Server, tmp_path: Path) -> None:
    """Media that a row names by path or URI would be read by the server, for whoever asks."""
    (server.uploads / "secret.png").write_bytes(image_bytes())
    server.create("pictures", type="IMAGE_CLASS")
    server.create("files", type="GENERIC")
    with socket.create_server(("127.0.0.1", 0)) as canary:
        canary.settimeout(0.2)
        addresses = [
            "secret.png",
            str(server.uploads / "secret.png"),
            f"file://{server.uploads}/secret.png",
            "../../../../etc/passwd",
            "/etc/passwd",
            f"http://127.0.0.1:{canary.getsockname()[1]}/x.png",
            "upload://secret.png",
        ]
        for address in addresses:
            row = json.dumps({"id": "a", "image": address, "label": "x"}) + "\n"
            answer = server.commit("pictures", row)
            assert answer.status in (400, 403), (address, answer.body)
            answer = server.commit("files", json.dumps({"name": "a", "data": address}) + "\n")
            assert answer.status in (400, 403), (address, answer.body)
            pairs = pa.table({"id": ["a"], "image": [{"bytes": None, "path": address}], "label": ["x"]})
            answer = server.commit("pictures", parquet_bytes(pairs), PARQUET)
            assert answer.status in (400, 403), (address, answer.body)
        with pytest.raises(TimeoutError):
            canary.accept()
    (server.uploads / "secret.png").unlink()
    assert server.ask("GET", "/v1/datasets/pictures").document["num_commits"] == 0


# -- expected versions -------------------------------------------------------------------------------------------


def test_of_two_writers_who_expect_the_same_version_one_wins(server: Server) -> None:
    server.create("race")
    for _ in range(3):
        version = server.ask("GET", "/v1/datasets/race").headers["etag"]

        def write(_: int, expected: str = version) -> int:
            return server.ask(
                "POST", "/v1/datasets/race/commits", body=ROWS, Content_Type=NDJSON, If_Match=expected
            ).status

        with ThreadPoolExecutor(4) as pool:
            assert sorted(pool.map(write, range(4))) == [201, 412, 412, 412]


def test_every_write_refuses_another_version(server: Server) -> None:
    server.create("versions")
    server.commit("versions")
    writes: list[tuple[str, str, object]] = [
        ("DELETE", "", None),
        ("DELETE", "/commits/1", None),
        ("POST", "/commits/1/restore", None),
        ("POST", "/rows/delete", {"where": "true"}),
        ("POST", "/revert", {"to": "1"}),
        ("POST", "/snapshots", {}),
        ("PUT", "/aliases/prod", {"snapshot": "@upto:1"}),
        ("POST", "/runs", {"snapshot": "@upto:1", "name": "x"}),
    ]
    before = server.ask("GET", "/v1/datasets/versions")
    for method, path, document in writes:
        for expected in ('"1"', 'W/"2"', '"x"', '"1", "7"'):
            answer = server.ask(method, f"/v1/datasets/versions{path}", document, If_Match=expected)
            assert problem(answer, 412)["type"] == "urn:headrace:problem:conflict"
        problem(server.ask(method, f"/v1/datasets/versions{path}", document, If_Match="2"), 400)
    assert server.ask("GET", "/v1/datasets/versions").headers["etag"] == before.headers["etag"] == '"2"'
    taken = server.ask("POST", "/v1/datasets/versions/snapshots", {"alias": "prod"}, If_Match='"1", "2"')
    assert taken.status == 201
    assert taken.headers["etag"] == '"4"'
    assert server.ask("GET", "/v1/datasets/versions").headers["etag"] == '"4"'
    assert server.ask("DELETE", "/v1/datasets/versions/commits/1", If_Match="*").status == 204


# -- snapshots ---------------------------------------------------------------------------------------------------


def test_snapshots_are_taken_named_listed_and_read(server: Server) -> None:
    server.create("snaps")
    server.commit("snaps", tag="category=aaa")
    server.commit("snaps", '{"text": "mehr", "labels": ["x"]}\n', tag="category=bbb")
    whole = server.ask("POST", "/v1/datasets/snaps/snapshots", {"alias": "prod"}).document
    assert whole["num_rows"] == 3
    assert whole["version_hash"]
    assert whole["aliases"] == ["prod"]
    part = server.ask(
        "POST",
        "/v1/datasets/snaps/snapshots",
        {"tags": {"category": "aaa"}, "where": "len(text) > 8", "columns": ["text"]},
    ).document
    assert part["num_rows"] == 1
    for name in (part["id"], part["id"][:8], f"@id:{part['id']}"):
        assert server.ask("GET", f"/v1/datasets/snaps/snapshots/{name}").document == part
    assert server.ask("GET", "/v1/datasets/snaps/snapshots/@prod").document == whole
    assert server.ask("GET", "/v1/datasets/snaps/snapshots/@upto:1").document["num_rows"] == 2
    page = server.ask("GET", "/v1/datasets/snaps/snapshots", query={"limit": 1}).document
    assert page["items"][0]["id"] == whole["id"]
    rest = server.ask("GET", "/v1/datasets/snaps/snapshots", query={"cursor": page["next"]}).document
    assert [item["id"] for item in rest["items"]] == [part["id"]]
    rows = server.ask("GET", "/v1/datasets/snaps/snapshots/@prod/rows", query={"offset": 1, "limit": 1}).document
    assert [row["text"] for row in rows["rows"]] == ["tschüss"]
    assert rows["num_rows"] == 3
    assert server.ask("GET", "/v1/datasets/snaps/snapshots/@prod/rows", query={"offset": 99}).document["rows"] == []
    moved = server.ask("PUT", "/v1/datasets/snaps/aliases/prod", {"snapshot": part["id"][:12]})
    assert moved.document == {"alias": "prod", "snapshot": part["id"]}
    assert server.ask("GET", "/v1/datasets/snaps/aliases").document["items"] == [moved.document]
    for name in ("@nobody", "00000000", "@upto:99"):
        problem(server.ask("GET", f"/v1/datasets/snaps/snapshots/{name}"), 404)
    for name in ("xyz", "@", "@upto:x", "@%7Bnow%7D", "@a::b", "0123"):
        problem(server.ask("GET", f"/v1/datasets/snaps/snapshots/{name}"), 400)
    problem(server.ask("POST", "/v1/datasets/snaps/snapshots", {"where": "SELECT"}), 400)
    problem(server.ask("POST", "/v1/datasets/snaps/snapshots", {"columns": ["nobody"]}), 400)


def test_media_comes_whole_in_ranges_and_not_again(server: Server) -> None:
    photo = image_bytes()
    server.create("photos", type="IMAGE_CLASS")
    table = pa.table({"id": ["a ü.png", "b"], "image": [photo, image_bytes(shade=2)], "label": ["x", "y"]})
    assert server.commit("photos", parquet_bytes(table), PARQUET).status == 201
    snapshot = server.ask("POST", "/v1/datasets/photos/snapshots", {}).document["id"]
    row = server.ask("GET", f"/v1/datasets/photos/snapshots/{snapshot}/rows").document["rows"][0]
    href = row["image"]["href"]
    whole = server.ask("GET", href)
    assert whole.status == 200
    assert whole.body == photo
    assert whole.headers["content-type"] == f"image/{row['image']['format']}"
    assert whole.headers["etag"] == f'"{row["image"]["digest"]}"'
    assert "immutable" in whole.headers["cache-control"]
    assert whole.headers["x-content-type-options"] == "nosniff"
    assert "sandbox" in whole.headers["content-security-policy"]
    size = len(photo)
    for wanted, part in (
        ("bytes=0-0", photo[:1]),
        ("bytes=3-9", photo[3:10]),
        ("bytes=5-", photo[5:]),
        ("bytes=-4", photo[-4:]),
        (f"bytes=0-{size * 9}", photo),
        (f"bytes=-{size * 9}", photo),
    ):
        answer = server.ask("GET", href, Range=wanted)
        assert answer.status == 206
        assert answer.body == part, wanted
        assert answer.headers["content-range"].endswith(f"/{size}")
    for wanted in (f"bytes={size}-", f"bytes={size}-{size + 5}", "bytes=-0"):
        answer = server.ask("GET", href, Range=wanted)
        problem(answer, 416)
        assert answer.headers["content-range"] == f"bytes */{size}"
    for wanted in ("bytes=9-3", "bytes=-", "lines=1-2", "bytes=0-1,5-6", "bytes=a-b"):
        assert server.ask("GET", href, Range=wanted).status == 200, wanted
    assert server.ask("GET", href, Range="bytes=0-1", If_Range='"other"').status == 200
    assert server.ask("GET", href, Range="bytes=0-1", If_Range=whole.headers["etag"]).status == 206
    again = server.ask("GET", href, If_None_Match=whole.headers["etag"])
    assert again.status == 304
    assert again.body == b""
    base = f"/v1/datasets/photos/snapshots/{snapshot}/media"
    problem(server.ask("GET", f"{base}/9/image"), 404)
    problem(server.ask("GET", f"{base}/0/nobody"), 404)
    problem(server.ask("GET", f"{base}/0/label"), 400)
    problem(server.ask("GET", f"{base}/-1/image"), 400)


# -- the whole lake ----------------------------------------------------------------------------------------------


def test_diff_query_lineage_runs_and_audit(server: Server) -> None:
    server.create("whole")
    server.commit("whole")
    server.commit("whole", '{"text": "neu 你好", "labels": ["x"]}\n')
    diff = server.ask("GET", "/v1/diff", query={"a": "whole@upto:1", "b": "whole"}).document
    assert (diff["added"], diff["removed"], diff["changed"]) == (1, 0, 0)
    answer = server.ask("POST", "/v1/query", {"reference": "whole", "sql": "SELECT text, 1 AS a, 2 AS a FROM snapshot"})
    assert answer.document["num_rows"] == 3
    assert answer.document["is_cut"] is False
    assert ["neu 你好", 1, 2] in answer.document["rows"]
    rows = server.ask("GET", "/v1/datasets/whole/snapshots/@upto:1/rows").document["rows"]
    found = server.ask("GET", "/v1/lineage", query={"sample": rows[0]["_id"]})
    assert "upload://rows.jsonl" in {sample["source"] for sample in found.document["samples"]}
    run = server.ask(
        "POST", "/v1/datasets/whole/runs", {"snapshot": "@upto:1", "name": "modell ü", "metrics": {"accuracy": 0.5}}
    )
    assert run.status == 201
    assert server.ask("GET", "/v1/datasets/whole/runs").document["items"] == [run.document]
    lineage = server.ask("GET", "/v1/datasets/whole/snapshots/@upto:1/lineage").document
    assert lineage["runs"][0]["metrics"] == {"accuracy": 0.5}
    audit = server.ask("GET", "/v1/audit", query={"limit": 1000}).document
    assert {"create-dataset", "commit", "snapshot", "run"} <= {item["operation"] for item in audit["items"]}
    short = server.ask("GET", "/v1/audit", query={"limit": 1}).document
    following = server.ask("GET", "/v1/audit", query={"limit": 1, "cursor": short["next"]}).document
    assert [*short["items"], *following["items"]] == audit["items"][:2]
    problem(
        server.ask("POST", "/v1/datasets/whole/runs", {"snapshot": "@upto:1", "name": "x", "metrics": {"a": "b"}}), 400
    )
    nan = server.ask(
        "POST",
        "/v1/datasets/whole/runs",
        body='{"snapshot": "@upto:1", "name": "x", "metrics": {"a": NaN}}',
        Content_Type="application/json",
    )
    problem(nan, 400)


def test_long_results_are_cut_and_say_so(server: Server) -> None:
    server.create("many", schema=[{"name": "n", "type": "int64"}])
    server.commit("many", "".join(f'{{"n": {idx}}}\n' for idx in range(10_001)))
    for sql, num_rows, is_cut in (
        ("SELECT n FROM snapshot ORDER BY n", 10_001, True),
        ("SELECT n FROM snapshot ORDER BY n LIMIT 10000", 10_000, False),
        ("SELECT n FROM snapshot WHERE n < 0", 0, False),
    ):
        result = server.ask("POST", "/v1/query", {"reference": "many", "sql": sql}).document
        assert (result["num_rows"], result["is_cut"]) == (num_rows, is_cut)
        assert [row[0] for row in result["rows"]] == list(range(min(num_rows, 10_000)))
        assert result["columns"] == [{"name": "n", "type": "int64"}]


def test_sql_and_references_reach_nothing_else(server: Server) -> None:
    server.create("guarded")
    server.commit("guarded")
    for sql in ("SELECT * FROM read_csv('/etc/passwd')", "COPY snapshot TO '/tmp/stolen.csv'"):
        refused = problem(server.ask("POST", "/v1/query", {"reference": "guarded", "sql": sql}), 400)
        assert "root:" not in json.dumps(refused)
    for reference in (f"{server.lake}::guarded", "memory://x::guarded", "s3://bucket/lake::guarded", "::guarded"):
        problem(server.ask("GET", "/v1/diff", query={"a": reference, "b": "guarded"}), 400)
        problem(server.ask("POST", "/v1/query", {"reference": reference, "sql": "SELECT 1"}), 400)


# -- jobs --------------------------------------------------------------------------------------------------------


def test_jobs_are_watched_cancelled_and_queued_again(server: Server) -> None:
    for idx in range(3):
        server.jobs.submit("prepare", {"dataset": "böots 🚤", "odd": "\ud800", "idx": idx}, actor="Zoë")
    page = server.ask("GET", "/v1/jobs", query={"limit": 2, "kind": "prepare"}).document
    rest = server.ask("GET", "/v1/jobs", query={"limit": 1, "kind": "prepare", "cursor": page["next"]}).document
    assert [job["arguments"]["idx"] for job in page["items"] + rest["items"]] == [2, 1, 0]
    assert rest["next"] is None
    number = rest["items"][0]["id"]
    assert rest["items"][0]["arguments"] == {"dataset": "böots 🚤", "odd": "?", "idx": 0}
    problem(server.ask("POST", f"/v1/jobs/{number}/retry"), 409)
    assert server.ask("POST", f"/v1/jobs/{number}/cancel").document["state"] == "cancelled"
    assert server.ask("GET", "/v1/jobs", query={"state": "cancelled"}).document["items"][0]["id"] == number
    assert server.ask("POST", f"/v1/jobs/{number}/retry").document["state"] == "queued"
    job = server.jobs.claim("worker", ["prepare"])
    assert job is not None
    server.jobs.fail(job, f"cannot read {server.lake}/datasets/x", traceback=f'File "{server.lake}/x.py"')
    failed = server.ask("GET", f"/v1/jobs/{job.id}")
    assert failed.document["state"] == "failed"
    lines = []
    cursor = None
    while True:
        query = {"limit": 1, **({} if cursor is None else {"cursor": cursor})}
        log = server.ask("GET", f"/v1/jobs/{job.id}/log", query=query)
        assert str(server.lake).encode() not in log.body + failed.body
        lines += log.document["items"]
        cursor = log.document["next"]
        if cursor is None:
            break
    assert [line["number"] for line in lines] == list(range(1, len(lines) + 1))
    assert len(lines) >= 2
    for path in ("/v1/jobs/999", "/v1/jobs/x", "/v1/jobs/999/log", f"/v1/jobs/{'9' * 30}"):
        problem(server.ask("GET", path), 404)
    for query in ({"state": "odd"}, {"kind": "a\0"}, {"cursor": _cursor("jobs", 1)}):
        problem(server.ask("GET", "/v1/jobs", query=query), 400)
    problem(server.ask("GET", f"/v1/jobs/{job.id}/log", query={"cursor": _cursor("lines", 10**30)}), 400)


def _cursor(*values: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(values).encode()).decode().rstrip("=")


# -- what is refused ---------------------------------------------------------------------------------------------


def test_unknown_routes_methods_and_odd_names_are_problems(server: Server) -> None:
    problem(server.ask("GET", "/"), 404)
    problem(server.ask("GET", "/v1/nothing"), 404)
    problem(server.ask("GET", "/docs"), 404)
    problem(server.ask("GET", "/v1/datasets/"), 404)
    wrong = server.ask("PATCH", "/v1/datasets")
    problem(wrong, 405)
    assert wrong.headers["allow"]
    for name in ("..", "%2e%2e", "..%2f..%2fetc", "a%2Fb", "a%00b", quote("Größe"), "%FF", quote("lake::x"), "*", "0"):
        problem(server.ask("GET", f"/v1/datasets/{name}"), 404)


@pytest.mark.parametrize(
    "body", [b"", b"{", b"null", b"[]", b'"x"', b'{"name": 7}', b"\xff\xfe", b"[" * 200_000, b'{"name": "\\ud800"}']
)
def test_bad_json_is_a_problem(server: Server, body: bytes) -> None:
    problem(server.ask("POST", "/v1/datasets", body=body, Content_Type="application/json"), 400)


def test_json_of_another_type_is_no_json(server: Server) -> None:
    """A page of another site may send text/plain without asking first, application/json not."""
    for kind in ("text/plain", "application/x-www-form-urlencoded", ""):
        problem(server.ask("POST", "/v1/datasets", body='{"name": "plain", "type": "GENERIC"}', Content_Type=kind), 400)
    problem(server.ask("GET", "/v1/datasets/plain"), 404)


def test_bodies_above_the_limit_are_refused(server: Server) -> None:
    server.create("large")
    document = json.dumps({"name": "x" * (1 << 20)}).encode()
    problem(server.ask("POST", "/v1/datasets", body=document, Content_Type="application/json"), 413)
    problem(server.commit("large", b"a" * ((64 << 20) + 1), "text/csv"), 413)
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
    piece = b"b" * (1 << 20)
    connection.request(
        "POST",
        "/v1/datasets/large/commits",
        body=(piece for _ in range(66)),
        headers={"Content-Type": "text/csv"},
        encode_chunked=True,
    )
    assert connection.getresponse().status == 413
    connection.close()
    assert list(server.uploads.iterdir()) == []


def test_body_that_stops_half_way_leaves_nothing(server: Server) -> None:
    server.create("halfway")
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        connection.sendall(
            b"POST /v1/datasets/halfway/commits HTTP/1.1\r\nHost: x\r\nContent-Type: text/csv\r\n"
            b"Content-Length: 1000000\r\n\r\nhello,greet\n"
        )
        _wait_until(lambda: len(list(server.uploads.iterdir())) == 1)
    _wait_until(lambda: not list(server.uploads.iterdir()))
    assert server.ask("GET", "/v1/datasets/halfway").document["num_commits"] == 0


def test_damage_is_a_problem_that_names_no_path(server: Server) -> None:
    server.create("damaged")
    server.commit("damaged")
    newest = max((path for path in server.lake.rglob("*.parquet")), key=lambda path: path.stat().st_mtime_ns)
    newest.write_bytes(newest.read_bytes()[:-9] + b"x" * 9)
    fresh = create_application(headrace.connect(server.lake))
    with TestClient(fresh) as client:
        answer = client.get("/v1/datasets/damaged/snapshots/@upto:1/rows")
    assert answer.status_code == 500
    assert answer.json()["type"] == "urn:headrace:problem:data-corrupted"
    assert str(server.lake) not in answer.text
    server.ask("DELETE", "/v1/datasets/damaged")


def test_answers_name_no_path_of_the_machine(server: Server, tmp_path: Path) -> None:
    (tmp_path / "part.csv").write_text("hello,greet\n", encoding="utf-8")
    lake = headrace.connect(server.lake)
    lake.create_dataset("local", "TEXT_INTENT", source=tmp_path / "part.csv")
    lake.dataset("local").snapshot().alias("prod")
    answers = [
        server.ask("GET", "/v1/datasets/local/commits/1"),
        server.ask("GET", "/v1/datasets/local/snapshots/@prod/lineage"),
        server.ask("GET", "/v1/lineage", query={"sample": lake.snapshot("local")[0]["_id"]}),
        server.ask("GET", "/v1/audit", query={"limit": 1000}),
        server.ask("GET", "/v1/datasets/nobody"),
        server.ask("GET", "/v1/datasets/local/snapshots/@nobody"),
        server.ask("POST", "/v1/datasets/nobody/restore"),
    ]
    assert b"part.csv" in answers[0].body
    for answer in answers:
        assert str(tmp_path).encode() not in answer.body
        assert str(server.lake).encode() not in answer.body


def _wait_until(is_so: Any, *, timeout_seconds: float = 10) -> None:
    deadline = time.monotonic() + timeout_seconds
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.01)
