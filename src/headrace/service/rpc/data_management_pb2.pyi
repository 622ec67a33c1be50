from google.protobuf import empty_pb2 as _empty_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class DatasetType(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    GENERIC: _ClassVar[DatasetType]
    TEXT_INTENT: _ClassVar[DatasetType]
    LANGUAGE_INTENT: _ClassVar[DatasetType]
    IMAGE_CLASS: _ClassVar[DatasetType]
    TABLE: _ClassVar[DatasetType]
    IMAGE_TEXT: _ClassVar[DatasetType]
    VIDEO: _ClassVar[DatasetType]
    AUDIO: _ClassVar[DatasetType]

class SnapshotState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    RUNNING: _ClassVar[SnapshotState]
    READY: _ClassVar[SnapshotState]
    FAILED: _ClassVar[SnapshotState]
GENERIC: DatasetType
TEXT_INTENT: DatasetType
LANGUAGE_INTENT: DatasetType
IMAGE_CLASS: DatasetType
TABLE: DatasetType
IMAGE_TEXT: DatasetType
VIDEO: DatasetType
AUDIO: DatasetType
RUNNING: SnapshotState
READY: SnapshotState
FAILED: SnapshotState

class Tag(_message.Message):
    __slots__ = ("tag_key", "tag_value")
    TAG_KEY_FIELD_NUMBER: _ClassVar[int]
    TAG_VALUE_FIELD_NUMBER: _ClassVar[int]
    tag_key: str
    tag_value: str
    def __init__(self, tag_key: _Optional[str] = ..., tag_value: _Optional[str] = ...) -> None: ...

class CreateDatasetRequest(_message.Message):
    __slots__ = ("name", "description", "dataset_type", "bucket", "path", "tags")
    NAME_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    DATASET_TYPE_FIELD_NUMBER: _ClassVar[int]
    BUCKET_FIELD_NUMBER: _ClassVar[int]
    PATH_FIELD_NUMBER: _ClassVar[int]
    TAGS_FIELD_NUMBER: _ClassVar[int]
    name: str
    description: str
    dataset_type: DatasetType
    bucket: str
    path: str
    tags: _containers.RepeatedCompositeFieldContainer[Tag]
    def __init__(self, name: _Optional[str] = ..., description: _Optional[str] = ..., dataset_type: _Optional[_Union[DatasetType, str]] = ..., bucket: _Optional[str] = ..., path: _Optional[str] = ..., tags: _Optional[_Iterable[_Union[Tag, _Mapping]]] = ...) -> None: ...

class ListQueryOptions(_message.Message):
    __slots__ = ("limit", "index")
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    INDEX_FIELD_NUMBER: _ClassVar[int]
    limit: int
    index: int
    def __init__(self, limit: _Optional[int] = ..., index: _Optional[int] = ...) -> None: ...

class CreateCommitRequest(_message.Message):
    __slots__ = ("dataset_id", "commit_message", "bucket", "path", "tags")
    DATASET_ID_FIELD_NUMBER: _ClassVar[int]
    COMMIT_MESSAGE_FIELD_NUMBER: _ClassVar[int]
    BUCKET_FIELD_NUMBER: _ClassVar[int]
    PATH_FIELD_NUMBER: _ClassVar[int]
    TAGS_FIELD_NUMBER: _ClassVar[int]
    dataset_id: str
    commit_message: str
    bucket: str
    path: str
    tags: _containers.RepeatedCompositeFieldContainer[Tag]
    def __init__(self, dataset_id: _Optional[str] = ..., commit_message: _Optional[str] = ..., bucket: _Optional[str] = ..., path: _Optional[str] = ..., tags: _Optional[_Iterable[_Union[Tag, _Mapping]]] = ...) -> None: ...

class DatasetQuery(_message.Message):
    __slots__ = ("dataset_id", "commit_id", "tags")
    DATASET_ID_FIELD_NUMBER: _ClassVar[int]
    COMMIT_ID_FIELD_NUMBER: _ClassVar[int]
    TAGS_FIELD_NUMBER: _ClassVar[int]
    dataset_id: str
    commit_id: str
    tags: _containers.RepeatedCompositeFieldContainer[Tag]
    def __init__(self, dataset_id: _Optional[str] = ..., commit_id: _Optional[str] = ..., tags: _Optional[_Iterable[_Union[Tag, _Mapping]]] = ...) -> None: ...

class VersionQuery(_message.Message):
    __slots__ = ("dataset_id", "version_hash")
    DATASET_ID_FIELD_NUMBER: _ClassVar[int]
    VERSION_HASH_FIELD_NUMBER: _ClassVar[int]
    dataset_id: str
    version_hash: str
    def __init__(self, dataset_id: _Optional[str] = ..., version_hash: _Optional[str] = ...) -> None: ...

class DatasetPointer(_message.Message):
    __slots__ = ("dataset_id",)
    DATASET_ID_FIELD_NUMBER: _ClassVar[int]
    dataset_id: str
    def __init__(self, dataset_id: _Optional[str] = ...) -> None: ...

class CommitInfo(_message.Message):
    __slots__ = ("dataset_id", "commit_id", "created_at", "commit_message", "tags", "path", "statistics")
    class StatisticsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    DATASET_ID_FIELD_NUMBER: _ClassVar[int]
    COMMIT_ID_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    COMMIT_MESSAGE_FIELD_NUMBER: _ClassVar[int]
    TAGS_FIELD_NUMBER: _ClassVar[int]
    PATH_FIELD_NUMBER: _ClassVar[int]
    STATISTICS_FIELD_NUMBER: _ClassVar[int]
    dataset_id: str
    commit_id: str
    created_at: str
    commit_message: str
    tags: _containers.RepeatedCompositeFieldContainer[Tag]
    path: str
    statistics: _containers.ScalarMap[str, str]
    def __init__(self, dataset_id: _Optional[str] = ..., commit_id: _Optional[str] = ..., created_at: _Optional[str] = ..., commit_message: _Optional[str] = ..., tags: _Optional[_Iterable[_Union[Tag, _Mapping]]] = ..., path: _Optional[str] = ..., statistics: _Optional[_Mapping[str, str]] = ...) -> None: ...

class DatasetSummary(_message.Message):
    __slots__ = ("dataset_id", "name", "description", "dataset_type", "last_updated_at", "commits")
    DATASET_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    DATASET_TYPE_FIELD_NUMBER: _ClassVar[int]
    LAST_UPDATED_AT_FIELD_NUMBER: _ClassVar[int]
    COMMITS_FIELD_NUMBER: _ClassVar[int]
    dataset_id: str
    name: str
    description: str
    dataset_type: DatasetType
    last_updated_at: str
    commits: _containers.RepeatedCompositeFieldContainer[CommitInfo]
    def __init__(self, dataset_id: _Optional[str] = ..., name: _Optional[str] = ..., description: _Optional[str] = ..., dataset_type: _Optional[_Union[DatasetType, str]] = ..., last_updated_at: _Optional[str] = ..., commits: _Optional[_Iterable[_Union[CommitInfo, _Mapping]]] = ...) -> None: ...

class SnapshotVersion(_message.Message):
    __slots__ = ("dataset_id", "name", "description", "dataset_type", "last_updated_at", "version_hash", "commits")
    DATASET_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    DATASET_TYPE_FIELD_NUMBER: _ClassVar[int]
    LAST_UPDATED_AT_FIELD_NUMBER: _ClassVar[int]
    VERSION_HASH_FIELD_NUMBER: _ClassVar[int]
    COMMITS_FIELD_NUMBER: _ClassVar[int]
    dataset_id: str
    name: str
    description: str
    dataset_type: DatasetType
    last_updated_at: str
    version_hash: str
    commits: _containers.RepeatedCompositeFieldContainer[CommitInfo]
    def __init__(self, dataset_id: _Optional[str] = ..., name: _Optional[str] = ..., description: _Optional[str] = ..., dataset_type: _Optional[_Union[DatasetType, str]] = ..., last_updated_at: _Optional[str] = ..., version_hash: _Optional[str] = ..., commits: _Optional[_Iterable[_Union[CommitInfo, _Mapping]]] = ...) -> None: ...

class DatasetPart(_message.Message):
    __slots__ = ("dataset_id", "commit_id", "bucket", "path_prefix")
    DATASET_ID_FIELD_NUMBER: _ClassVar[int]
    COMMIT_ID_FIELD_NUMBER: _ClassVar[int]
    BUCKET_FIELD_NUMBER: _ClassVar[int]
    PATH_PREFIX_FIELD_NUMBER: _ClassVar[int]
    dataset_id: str
    commit_id: str
    bucket: str
    path_prefix: str
    def __init__(self, dataset_id: _Optional[str] = ..., commit_id: _Optional[str] = ..., bucket: _Optional[str] = ..., path_prefix: _Optional[str] = ...) -> None: ...

class FileInfo(_message.Message):
    __slots__ = ("name", "bucket", "path")
    NAME_FIELD_NUMBER: _ClassVar[int]
    BUCKET_FIELD_NUMBER: _ClassVar[int]
    PATH_FIELD_NUMBER: _ClassVar[int]
    name: str
    bucket: str
    path: str
    def __init__(self, name: _Optional[str] = ..., bucket: _Optional[str] = ..., path: _Optional[str] = ...) -> None: ...

class VersionedSnapshot(_message.Message):
    __slots__ = ("dataset_id", "version_hash", "state", "parts", "root", "statistics")
    class StatisticsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    DATASET_ID_FIELD_NUMBER: _ClassVar[int]
    VERSION_HASH_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    PARTS_FIELD_NUMBER: _ClassVar[int]
    ROOT_FIELD_NUMBER: _ClassVar[int]
    STATISTICS_FIELD_NUMBER: _ClassVar[int]
    dataset_id: str
    version_hash: str
    state: SnapshotState
    parts: _containers.RepeatedCompositeFieldContainer[FileInfo]
    root: FileInfo
    statistics: _containers.ScalarMap[str, str]
    def __init__(self, dataset_id: _Optional[str] = ..., version_hash: _Optional[str] = ..., state: _Optional[_Union[SnapshotState, str]] = ..., parts: _Optional[_Iterable[_Union[FileInfo, _Mapping]]] = ..., root: _Optional[_Union[FileInfo, _Mapping]] = ..., statistics: _Optional[_Mapping[str, str]] = ...) -> None: ...
