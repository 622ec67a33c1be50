"""Finding dataset types by name: the built-in ones, those of installed packages, those registered in the process."""

from __future__ import annotations

from importlib.metadata import EntryPoint, entry_points
from typing import Final

from headrace.datasets.types.audio import Audio
from headrace.datasets.types.base import DatasetType
from headrace.datasets.types.generic import Generic
from headrace.datasets.types.image_class import ImageClass
from headrace.datasets.types.image_text import ImageText
from headrace.datasets.types.table import Table
from headrace.datasets.types.text_intent import TextIntent
from headrace.datasets.types.video import Video
from headrace.errors import AlreadyExists, InvalidInput
from headrace.schema.near_misses import near_miss

__all__ = ["ENTRY_POINT_GROUP", "dataset_type", "dataset_type_names", "register_dataset_type"]

ENTRY_POINT_GROUP: Final = "headrace.dataset_types"

# Known without their entry points, so that a source tree works without being installed.
_BUILT_IN: Final[dict[str, DatasetType]] = {
    known.name: known for known in (Audio(), Generic(), ImageClass(), ImageText(), Table(), TextIntent(), Video())
}
_ALIASES: Final[dict[str, str]] = {alias: known.name for known in _BUILT_IN.values() for alias in known.aliases}

# Types are code, so a process that is started anew registers its own again.
_registered: dict[str, DatasetType] = {}


def dataset_type(name: str) -> DatasetType:
    """The type of this name or alias.

    Raises:
        InvalidInput: There is none; lists the known types. Or a package's type cannot be loaded.
    """
    known = _BUILT_IN.get(_ALIASES.get(name, name)) or _registered.get(name)
    if known is not None:
        return known
    points = _entry_points()
    if name in points:
        return _load(points[name])
    for point in points.values():  # an alias of a package's type
        loaded = _load(point)
        if name in loaded.aliases:
            return loaded
    names = dataset_type_names()
    raise InvalidInput(
        f"there is no dataset type {name!r}; known are {', '.join(names)}.{near_miss(name.upper(), names)}"
    )


def dataset_type_names() -> list[str]:
    """All names that `dataset_type` knows, sorted, without aliases."""
    return sorted({*_BUILT_IN, *_registered, *_entry_points()})


def register_dataset_type(new: DatasetType) -> DatasetType:
    """Make a type known in this process; packages use the entry point group `headrace.dataset_types` instead.

    Registering the same class again replaces it (notebooks do that).

    Raises:
        InvalidInput: Not an instance of a `DatasetType` with a name.
        AlreadyExists: A built-in type or another class has that name or alias.
    """
    if not isinstance(new, DatasetType) or not isinstance(getattr(new, "name", None), str) or not new.name:
        raise InvalidInput(f"{new!r} is no dataset type; expected an instance of a DatasetType subclass with a name")
    for name in (new.name, *new.aliases):
        taken = _BUILT_IN.get(_ALIASES.get(name, name)) or _registered.get(name)
        if taken is not None and _class_name(taken) != _class_name(new):
            raise AlreadyExists(f"dataset type {name} is taken by {_class_name(taken)}; give yours another name")
    for name in (new.name, *new.aliases):
        _registered[name] = new
    return new


def _class_name(known: DatasetType) -> str:
    return f"{type(known).__module__}.{type(known).__qualname__}"


def _entry_points() -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=ENTRY_POINT_GROUP) if point.name not in _BUILT_IN}


def _load(point: EntryPoint) -> DatasetType:
    try:
        loaded = point.load()
    except Exception as error:
        raise InvalidInput(
            f"dataset type {point.name} cannot be loaded from {point.value}: {error}; reinstall or remove that package"
        ) from error
    known = loaded() if isinstance(loaded, type) and issubclass(loaded, DatasetType) else loaded
    if not isinstance(known, DatasetType):
        raise InvalidInput(f"dataset type {point.name}: {point.value} is no DatasetType subclass")
    return known
