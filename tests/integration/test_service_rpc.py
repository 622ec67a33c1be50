"""A server in a process of its own, and clients that know nothing of it but what reflection tells."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf import descriptor_pool, message_factory
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

import headrace
from headrace.datasets.lake import Lake
from tests.generated_media import image_bytes

BUCKET = "mini-automl-dm"
SERVICE = "data_management.DataManagementService"
_START_SECONDS = 30.0


@dataclass
class Server:
    """`headrace serve` on a lake and a bucket below one folder."""

    root: Path
    process: subprocess.Popen[str] = field(init=False)
    grpc_address: str = ""
    http_address: str = ""

    @property
    def bucket(self) -> Path:
        return self.root / "bucket"

    @property
    def lake(self) -> Lake:
        return headrace.connect(self.root / "lake")

    def start(self) -> None:
        options = ["--bucket", f"{BUCKET}={self.bucket}", "--http-port", "0", "--grpc-port", "0", "--json"]
        command = [sys.executable, "-m", "headrace.cli", "serve", str(self.root / "lake"), *options]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        lines = []
        for line in self.process.stdout:
            lines.append(line)
            try:
                found = json.loads("".join(lines))
            except ValueError:
                continue
            if "grpc" not in found:
                break
            self.grpc_address, self.http_address = found["grpc"], found["http"]
            return
        raise AssertionError(f"the server ended with {self.process.wait()}: {''.join(lines)}")

    def stop(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        code = self.process.wait(_START_SECONDS)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return code

    def upload(self, path: str, text: str) -> str:
        target = self.bucket / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
        return path


class Client:
    """Calls by name with plain values; messages are built from what reflection says."""

    def __init__(self, address: str) -> None:
        self.channel = grpc.insecure_channel(address)
        pool = descriptor_pool.DescriptorPool(ProtoReflectionDescriptorDatabase(self.channel))
        self.methods = pool.FindServiceByName(SERVICE).methods_by_name

    def __call__(self, call_name: str, /, **values: Any) -> Any:
        method = self.methods[call_name]
        request = message_factory.GetMessageClass(method.input_type)(**values)
        answer = message_factory.GetMessageClass(method.output_type)
        make = self.channel.unary_stream if method.server_streaming else self.channel.unary_unary
        call = make(
            f"/{SERVICE}/{call_name}",
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=answer.FromString,
        )
        found = call(request, timeout=60)
        return list(found) if method.server_streaming else found

    def create(self, path: str, **values: Any) -> Any:
        given = {"name": "d", "dataset_type": 1, "bucket": BUCKET, "path": path}
        return self("CreateDataset", **given | values)

    def update(self, dataset_id: str, path: str, **values: Any) -> Any:
        given = {"dataset_id": dataset_id, "bucket": BUCKET, "path": path, "commit_message": "More training data"}
        return self("UpdateDataset", **given | values)

    def fetch(self, dataset_id: str, version_hash: str) -> Any:
        """When it no longer runs."""
        until = time.monotonic() + 60
        while True:
            found = self("FetchTrainingDataset", dataset_id=dataset_id, version_hash=version_hash)
            if found.state != 0 or time.monotonic() > until:
                return found
            assert not found.parts
            assert not found.HasField("root")
            time.sleep(0.05)

    def prepared(self, dataset_id: str, **values: Any) -> Any:
        return self.fetch(dataset_id, self("PrepareTrainingDataset", dataset_id=dataset_id, **values).version_hash)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, Client]]:
    server = Server(tmp_path_factory.mktemp("service"))
    server.start()
    client = Client(server.grpc_address)
    yield server, client
    client.channel.close()
    assert server.stop() == 0


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Server]:
    server = Server(tmp_path)
    server.start()
    yield server
    if server.process.poll() is None:
        server.stop(signal.SIGKILL)


def _rows(num_rows: int, num_labels: int, start: int = 0) -> str:
    return "".join(
        f'"utterance {idx}, ""süß"" 猫",label_{idx % num_labels}\n' for idx in range(start, start + num_rows)
    )


def _tags(*values: str) -> list[dict[str, str]]:
    return [{"tag_key": "category", "tag_value": value} for value in values]


def _refused(code: grpc.StatusCode, call: Callable[[], Any]) -> str:
    with pytest.raises(grpc.RpcError) as caught:
        call()
    assert caught.value.code() == code, caught.value.details()
    return str(caught.value.details())


def test_the_reference_demo(shared: tuple[Server, Client]) -> None:
    server, client = shared
    counts = (55, 76, 31)
    for idx, count in enumerate(counts):
        server.upload(f"upload/00{idx + 1}.csv", _rows(count, 7, 100 * idx))
    created = client.create("upload/001.csv", name="dataset-1", description="words", tags=_tags("aaa"))
    name = created.dataset_id
    assert (created.name, created.description, created.dataset_type) == ("dataset-1", "words", 1)
    (commit,) = created.commits
    assert (commit.commit_id, commit.commit_message, commit.path) == ("1", "Initial commit", f"dataset/{name}/commit/1")
    assert dict(commit.statistics) == {"numExamples": "55", "numLabels": "7"}
    client.update(name, "upload/002.csv", tags=_tags("aaa"))
    summary = client.update(name, "upload/003.csv", tags=_tags("bbb", "bbb"))
    told = [(each.commit_id, each.tags[0].tag_value, each.statistics["numExamples"]) for each in summary.commits]
    assert told == [("1", "aaa", "55"), ("2", "aaa", "76"), ("3", "bbb", "31")]
    assert summary == client("GetDatasetSummary", dataset_id=name)
    assert summary.last_updated_at == created.last_updated_at
    assert summary.last_updated_at.endswith("Z")
    wanted: list[tuple[dict[str, Any], str, list[str], str, str]] = [
        ({}, "hashDg==", ["1", "2", "3"], "162", "7"),
        ({"tags": _tags("aaa")}, "hashBg==", ["1", "2"], "131", "7"),
        ({"tags": _tags("bbb")}, "hashCA==", ["3"], "31", "7"),
        ({"commit_id": "2"}, "hashBg==", ["1", "2"], "131", "7"),
        ({"tags": _tags("zzz")}, "hash", [], "0", "0"),
        ({"tags": _tags("aaa", "bbb")}, "hash", [], "0", "0"),
    ]
    for query, version_hash, commits, num_examples, num_labels in wanted:
        version = client("PrepareTrainingDataset", dataset_id=name, **query)
        assert version.version_hash == version_hash
        assert [each.commit_id for each in version.commits] == commits
        found = client.fetch(name, version_hash)
        path = f"versionedDatasets/{name}/{version_hash}"
        assert found.state == 1
        assert dict(found.statistics) == {"numExamples": num_examples, "numLabels": num_labels}
        assert (found.root.name, found.root.bucket, found.root.path) == ("root", BUCKET, path)
        assert [(part.name, part.path) for part in found.parts] == [
            ("examples.csv", f"{path}/examples.csv"), ("labels.csv", f"{path}/labels.csv"),
        ]  # fmt: skip
        examples = (server.bucket / path / "examples.csv").read_text().splitlines()
        assert len(examples) == int(num_examples)
    assert examples == []
    examples = (server.bucket / f"versionedDatasets/{name}/hashDg==/examples.csv").read_text().splitlines()
    assert examples[0] == '"utterance 0, ""süß"" 猫","1"'
    labels = (server.bucket / f"versionedDatasets/{name}/hashDg==/labels.csv").read_text().splitlines()
    assert labels[0] == '"1","label_0"'
    assert [line.split(",")[0] for line in labels] == [f'"{idx}"' for idx in range(1, 8)]


def test_generic_commits_keep_their_bytes(shared: tuple[Server, Client]) -> None:
    server, client = shared
    contents = {"foo": b"\0\xff", "bar": b"", "coo": b"c" * 70_000, "dzz": b"d", "ell": "é".encode()}
    marks = {"foo": "", "bar": "bar1", "coo": "bar1", "dzz": "bar2", "ell": "bar2"}
    name = ""
    for file, content in contents.items():
        server.upload(f"generic/{file}", "")
        (server.bucket / "generic" / file).write_bytes(content)
        tags = [{"tag_key": "foo", "tag_value": marks[file]}] if marks[file] else []
        if name:
            client.update(name, f"generic/{file}", tags=tags)
        else:
            created = client.create(f"generic/{file}", dataset_type=0)
            name = created.dataset_id
            assert dict(created.commits[0].statistics) == {}
    query = {"dataset_id": name, "commit_id": "4"}
    assert client("PrepareTrainingDataset", **query).version_hash == "hashHg=="
    unknown = [{"tag_key": "no", "tag_value": "no"}]
    assert client("PrepareTrainingDataset", **query, tags=unknown).version_hash == "hash"
    found = client.prepared(name, commit_id="4", tags=[{"tag_key": "foo", "tag_value": "bar2"}])
    assert (found.version_hash, [part.name for part in found.parts]) == ("hashEA==", ["part-0-0"])
    whole = client.prepared(name)
    assert [part.name for part in whole.parts] == [f"part-{idx}-0" for idx in range(5)]
    assert [(server.bucket / part.path).read_bytes() for part in whole.parts] == list(contents.values())
    assert dict(whole.statistics) == {}
    folder = client.create("generic", dataset_type=0, name="folder")
    assert len(client.prepared(folder.dataset_id).parts) == 5


def test_hashes_with_slashes_do_not_disturb_each_other(shared: tuple[Server, Client]) -> None:
    server, client = shared
    name = client.create(server.upload("slash.csv", "a,x\n")).dataset_id
    for idx in range(22):
        client.update(name, server.upload("slash.csv", f"a{idx},x\n"))
    wanted = {"7": "hash/g==", "8": "hash/gE=", "23": "hash/v//"}
    nothing = client.prepared(name, tags=_tags("none"))
    for upto, version_hash in wanted.items():
        found = client.prepared(name, commit_id=upto)
        assert (found.version_hash, found.state, found.statistics["numExamples"]) == (version_hash, 1, upto)
        assert len((server.bucket / found.parts[0].path).read_text().splitlines()) == int(upto)
    assert nothing.version_hash == "hash"
    assert (server.bucket / nothing.parts[0].path).read_text() == ""
    assert (server.bucket / f"versionedDatasets/{name}/hash/g==/examples.csv").is_file()


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"path": "nothing.csv"}, "nothing.csv"),
        ({"path": "bad.csv"}, "bad.csv:2: this row has one column only"),
        ({"path": "../lake/headrace.json"}, "expected the key of an object"),
        ({"bucket": "other"}, "bucket 'other' is not configured"),
        ({"dataset_type": 99}, "dataset_type is 99"),
        ({"tags": [{"tag_key": "", "tag_value": "x"}]}, "tag key '' is empty"),
    ],
)  # fmt: skip
def test_a_refused_create_or_update_leaves_nothing(
    shared: tuple[Server, Client], values: dict[str, Any], words: str
) -> None:
    server, client = shared
    server.upload("good.csv", "a,x\n")
    server.upload("bad.csv", "a,x\nonly one\n")
    before = client.create("good.csv")
    assert words in _refused(grpc.StatusCode.INVALID_ARGUMENT, lambda: client.create(**{"path": "good.csv", **values}))
    if "dataset_type" not in values:
        given = {"path": "good.csv", **values}
        told = _refused(grpc.StatusCode.INVALID_ARGUMENT, lambda: client.update(before.dataset_id, **given))
        assert words in told
        assert str(server.root) not in told
        assert len(client("GetDatasetSummary", dataset_id=before.dataset_id).commits) == 1
    after = client.create("good.csv")
    assert int(after.dataset_id) == int(before.dataset_id) + 1
    assert client.update(after.dataset_id, "good.csv").commits[1].commit_id == "2"


def test_any_name_is_taken_and_the_library_finds_it_by_id(shared: tuple[Server, Client]) -> None:
    server, client = shared
    server.upload("good.csv", "a,x\n")
    names = ["twin", "twin", "", "", "two words", "猫", "1"]
    ids = [client.create("good.csv", name=name).dataset_id for name in names]
    assert [client("GetDatasetSummary", dataset_id=each).name for each in ids] == names
    lake = server.lake
    assert [lake.dataset(each).display_name for each in ids] == names
    assert lake.dataset("twin").id == ids[0]
    assert [lake.dataset(each).name for each in ids[1:]] == ids[1:]
    client("DeleteDataset", dataset_id=ids[1])
    assert server.lake.restore_dataset(ids[1]).display_name == "twin"


def test_what_is_not_there_is_told_in_three_texts(shared: tuple[Server, Client]) -> None:
    server, client = shared
    name = client.create(server.upload("good.csv", "a,x\n"), name="plain_name").dataset_id
    missing = grpc.StatusCode.NOT_FOUND
    for wrong in ("999", "plain_name", "", "01", "-1"):
        assert _refused(missing, lambda: client("GetDatasetSummary", dataset_id=wrong)) == f"Dataset {wrong} not found"  # noqa: B023 - called at once
    for wrong in ("9", "01", "abc"):
        told = _refused(missing, lambda: client("PrepareTrainingDataset", dataset_id=name, commit_id=wrong))  # noqa: B023
        assert told == f"There is no commit {wrong} in dataset {name}"
    told = _refused(missing, lambda: client("FetchTrainingDataset", dataset_id=name, version_hash="hashXX"))
    assert told == f"VersionHash hashXX for Dataset {name} not found"
    client("DeleteDataset", dataset_id=name)
    assert _refused(missing, lambda: client("DeleteDataset", dataset_id=name)) == f"Dataset {name} not found"
    assert client.create("good.csv").dataset_id != name


def test_lists_honour_limit_and_index(shared: tuple[Server, Client]) -> None:
    server, client = shared
    server.upload("good.csv", "a,x\n")
    for _ in range(3):
        client.create("good.csv")
    ids = [each.dataset_id for each in client("ListDatasets")]
    assert ids == sorted(ids, key=int)
    assert [each.dataset_id for each in client("ListDatasets", limit=2, index=1)] == ids[1:3]
    assert client("ListDatasets", index=10_000) == []
    for values in ({"limit": -1}, {"index": -1}):
        _refused(grpc.StatusCode.INVALID_ARGUMENT, lambda: client("ListDatasets", **values))  # noqa: B023


def test_abuse_leaves_the_server_as_it_was(shared: tuple[Server, Client]) -> None:
    server, client = shared
    before = [each.dataset_id for each in client("ListDatasets")]
    raw = client.channel.unary_unary(f"/{SERVICE}/CreateDataset")
    bad_utf8 = b"\x0a\x02\xff\xfe"
    for body in (b"\x0a\xff", bad_utf8, b"\xff" * 1_000):
        with pytest.raises(grpc.RpcError):
            raw(body, timeout=30)
    with pytest.raises(grpc.RpcError) as caught:
        raw(b"\x0a" + b"\xff" * (5 << 20), timeout=30)
    assert caught.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
    server.upload("good.csv", "a,x\n")
    many = [{"tag_key": f"k{idx}", "tag_value": "v"} for idx in range(100_000)]
    assert "tags on one commit" in _refused(
        grpc.StatusCode.INVALID_ARGUMENT, lambda: client.create("good.csv", tags=many)
    )
    for _ in range(50):
        call = raw.future(b"", timeout=30)
        call.cancel()
    assert [each.dataset_id for each in client("ListDatasets")] == before
    status = health_pb2_grpc.HealthStub(client.channel).Check(health_pb2.HealthCheckRequest(service=""))
    assert status.status == health_pb2.HealthCheckResponse.SERVING


@pytest.mark.parametrize(
    "place",
    ["http://127.0.0.1:{port}/a.png", "http://localhost:{port}/a.png", "http://[::ffff:127.0.0.1]:{port}/a.png",
     "http://2130706433:{port}/a.png", "http://169.254.169.254/latest", "file:///etc/hostname", "/etc/hostname",
     "../../lake/headrace.json", "s3://other/a.png", "HTTP://127.0.0.1:{port}/a.png"],
)  # fmt: skip
def test_rows_make_the_server_read_nothing_but_its_buckets(shared: tuple[Server, Client], place: str) -> None:
    server, client = shared
    with socket.create_server(("127.0.0.1", 0)) as canary:
        canary.settimeout(0.5)
        address = place.format(port=canary.getsockname()[1])
        server.upload("photos.csv", f"id,image,text\n1,{address},words\n")
        with pytest.raises(grpc.RpcError) as caught:
            client.create("photos.csv", dataset_type=4)
        assert caught.value.code() in (grpc.StatusCode.PERMISSION_DENIED, grpc.StatusCode.INVALID_ARGUMENT)
        with pytest.raises(TimeoutError):
            canary.accept()


def test_rows_name_files_beside_their_table(shared: tuple[Server, Client]) -> None:
    server, client = shared
    (server.bucket / "beside.png").write_bytes(image_bytes("PNG"))
    server.upload("photos.csv", "id,image,text\n1,beside.png,words\n")
    created = client.create("photos.csv", dataset_type=4)
    assert server.lake.dataset(created.dataset_id).num_rows == 1


def test_reflection_answers_in_both_versions(shared: tuple[Server, Client]) -> None:
    _, client = shared
    names = {}
    for version in ("v1", "v1alpha"):
        call = client.channel.stream_stream(
            f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo",
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=reflection_pb2.ServerReflectionResponse.FromString,
        )
        requests = [
            reflection_pb2.ServerReflectionRequest(list_services=""),
            reflection_pb2.ServerReflectionRequest(
                file_containing_symbol=f"grpc.reflection.{version}.ServerReflection"
            ),
        ]
        listed, described = call(iter(requests), timeout=30)
        names[version] = sorted(each.name for each in listed.list_services_response.service)
        assert described.file_descriptor_response.file_descriptor_proto
    assert names["v1"] == names["v1alpha"]
    assert {SERVICE, "grpc.health.v1.Health", "grpc.reflection.v1.ServerReflection"} <= set(names["v1"])


def test_restarts_lose_nothing(own: Server) -> None:
    client = Client(own.grpc_address)
    name = client.create(own.upload("a.csv", _rows(200, 5))).dataset_id
    version_hash = client.prepared(name).version_hash
    client.update(name, own.upload("b.csv", _rows(100, 5, 500)))
    assert client("PrepareTrainingDataset", dataset_id=name).version_hash == "hashBg=="
    own.stop(signal.SIGKILL)  # maybe in the middle of the second
    own.start()
    client = Client(own.grpc_address)
    found = client("FetchTrainingDataset", dataset_id=name, version_hash=version_hash)
    assert (found.state, found.statistics["numExamples"]) == (1, "200")
    assert client.fetch(name, "hashBg==").statistics["numExamples"] == "300"
    assert own.stop(signal.SIGINT) == 0
    own.start()
    client = Client(own.grpc_address)
    assert client("FetchTrainingDataset", dataset_id=name, version_hash="hashBg==").state == 1
    # Without the server's database the lake still knows what was prepared.
    assert own.stop() == 0
    for file in (own.root / "lake" / "service").iterdir():
        file.unlink()
    own.start()
    assert Client(own.grpc_address).fetch(name, "hashBg==").statistics["numExamples"] == "300"


def test_purged_rows_leave_prepared_files(own: Server) -> None:
    client = Client(own.grpc_address)
    name = client.create(own.upload("a.csv", "keep,x\nsecret words,y\n")).dataset_id
    found = client.prepared(name)
    assert found.statistics["numExamples"] == "2"
    own.lake.dataset(name).purge(where="text = 'secret words'")
    failed = client("FetchTrainingDataset", dataset_id=name, version_hash=found.version_hash)
    assert failed.state == 2
    assert "purged" in failed.statistics["reason"]
    assert not failed.parts
    assert not (own.bucket / found.parts[0].path).exists()
    again = client.prepared(name)
    assert (again.state, again.version_hash, again.statistics["numExamples"]) == (1, found.version_hash, "1")
    assert (own.bucket / again.parts[0].path).read_text() == '"keep","1"\n'


def test_a_failed_snapshot_is_prepared_again(own: Server) -> None:
    client = Client(own.grpc_address)
    name = client.create(own.upload("a.csv", "keep,x\n")).dataset_id
    (own.bucket / "versionedDatasets").write_text("a file in the way")
    failed = client.prepared(name)
    assert failed.state == 2
    assert failed.statistics["reason"]
    (own.bucket / "versionedDatasets").unlink()
    assert client.prepared(name).state == 1


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--host", "0.0.0.0"], "--no-auth"),
        (["--view-bucket", "no"], "view bucket 'no'"),
        (["--bucket", "a=x", "--bucket", "a=y"], "two buckets 'a'"),
        (["--database", "mysql://x/y"], "mysql"),
    ],
)
def test_wrong_settings_are_told(tmp_path: Path, options: list[str], words: str) -> None:
    command = [sys.executable, "-m", "headrace.cli", "serve", str(tmp_path / "lake"), *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path, timeout=60)
    assert done.returncode == 2
    assert words in done.stderr


def test_a_taken_port_is_told(own: Server, tmp_path: Path) -> None:
    port = own.http_address.rsplit(":", 1)[1]
    command = [sys.executable, "-m", "headrace.cli", "serve", str(tmp_path / "other"), "--http-port", port]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60, env={**os.environ})
    assert done.returncode == 7
    assert "--http-port" in done.stderr
