"""The wire contract: names and numbers that clients of the reference service were built with."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from headrace.service.rpc import data_management_pb2 as wire

_FIELDS = {
    "CreateDatasetRequest": {"name": 1, "description": 2, "dataset_type": 3, "bucket": 4, "path": 5, "tags": 6},
    "ListQueryOptions": {"limit": 1, "index": 2},
    "CreateCommitRequest": {"dataset_id": 1, "commit_message": 2, "bucket": 3, "path": 4, "tags": 5},
    "DatasetQuery": {"dataset_id": 1, "commit_id": 2, "tags": 3},
    "VersionQuery": {"dataset_id": 1, "version_hash": 2},
    "DatasetPointer": {"dataset_id": 1},
    "DatasetSummary": {
        "dataset_id": 1, "name": 2, "description": 3, "dataset_type": 4, "last_updated_at": 5, "commits": 6,
    },
    "SnapshotVersion": {
        "dataset_id": 1, "name": 2, "description": 3, "dataset_type": 4, "last_updated_at": 5, "version_hash": 6,
        "commits": 7,
    },
    "DatasetPart": {"dataset_id": 1, "commit_id": 2, "bucket": 3, "path_prefix": 4},
    "VersionedSnapshot": {"dataset_id": 1, "version_hash": 2, "state": 3, "parts": 4, "root": 5, "statistics": 7},
    "CommitInfo": {
        "dataset_id": 1, "commit_id": 2, "created_at": 3, "commit_message": 4, "tags": 5, "path": 6, "statistics": 7,
    },
    "Tag": {"tag_key": 1, "tag_value": 2},
    "FileInfo": {"name": 1, "bucket": 2, "path": 3},
}  # fmt: skip
_CALLS = {
    "GetDatasetSummary": ("DatasetPointer", "DatasetSummary", False),
    "ListDatasets": ("ListQueryOptions", "DatasetPointer", True),
    "CreateDataset": ("CreateDatasetRequest", "DatasetSummary", False),
    "UpdateDataset": ("CreateCommitRequest", "DatasetSummary", False),
    "PrepareTrainingDataset": ("DatasetQuery", "SnapshotVersion", False),
    "FetchTrainingDataset": ("VersionQuery", "VersionedSnapshot", False),
    "DeleteDataset": ("DatasetPointer", "Empty", False),
}


def test_messages_have_their_fields_and_numbers() -> None:
    messages = wire.DESCRIPTOR.message_types_by_name
    assert {name: {field.name: field.number for field in each.fields} for name, each in messages.items()} == _FIELDS
    assert wire.DESCRIPTOR.package == "data_management"
    assert wire.DESCRIPTOR.name == "data_management.proto"


def test_calls_take_and_give_their_messages() -> None:
    service = wire.DESCRIPTOR.services_by_name["DataManagementService"]
    assert {
        each.name: (each.input_type.name, each.output_type.name, each.server_streaming) for each in service.methods
    } == _CALLS
    assert not any(each.client_streaming for each in service.methods)


def test_numbers_of_types_and_states() -> None:
    assert dict(wire.SnapshotState.items()) == {"RUNNING": 0, "READY": 1, "FAILED": 2}
    types = {"GENERIC": 0, "TEXT_INTENT": 1, "LANGUAGE_INTENT": 1, "IMAGE_CLASS": 2, "TABLE": 3, "IMAGE_TEXT": 4}
    assert dict(wire.DatasetType.items()) == {**types, "VIDEO": 5, "AUDIO": 6}
    assert wire.DatasetType.Name(1) == "TEXT_INTENT"


@pytest.mark.parametrize("name", ["data_management_pb2.py", "data_management_pb2.pyi"])
def test_generated_modules_are_those_of_the_contract(tmp_path: Path, name: str) -> None:
    folder = Path(wire.__file__).parent
    options = [f"-I{folder}", f"--python_out={tmp_path}", f"--pyi_out={tmp_path}", "data_management.proto"]
    subprocess.run([sys.executable, "-W", "ignore", "-m", "grpc_tools.protoc", *options], check=True)
    assert (tmp_path / name).read_text() == (folder / name).read_text()
