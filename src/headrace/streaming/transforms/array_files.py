"""Arrays in files, told apart by their content: .npy, .npz, .pt, each of them gzipped or not.

Nothing that a file holds is run: no pickled objects. Sizes are checked before memory is taken.
Sources: numpy.lib.format (versions 1 to 3 of .npy), PKZIP's APPNOTE.
"""

from __future__ import annotations

import math
import zipfile
from io import BytesIO
from typing import Any

import numpy as np

from headrace.errors import InvalidInput
from headrace.schema.near_misses import near_miss_or_known
from headrace.streaming.transforms.torch_files import read_torch_file
from headrace.streaming.transforms.unpacking import GZIP_START, gunzip
from headrace.units import format_bytes, format_count

__all__ = ["read_array"]

_NPY_START = b"\x93NUMPY"
_ZIP_START = b"PK\x03\x04"
_LEGACY_TORCH_START = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."  # torch before 1.6
_PICKLE_START = b"\x80"
_MAX_HEADER_BYTES = 65_536


def read_array(data: bytes, *, key: str | None, max_bytes: int) -> np.ndarray:
    """The array in the file, perhaps read-only and over its bytes.

    Args:
        key: Which array of several: the name in an .npz file, or dotted names in the dicts of a .pt file.
        max_bytes: That the content may take unpacked.

    Raises:
        InvalidInput: No such file, damaged, too large, several arrays and no key, or no array of this key.
        MissingExtra: A .pt file, and torch is not installed.
    """
    if data.startswith(GZIP_START):
        data = gunzip(data, max_bytes=max_bytes)
    if data.startswith(_NPY_START):
        if key is not None:
            raise InvalidInput(f"is an .npy file, which holds one array without a name; leave key={key!r} out")
        return _read_npy(data)
    if data.startswith(_ZIP_START):
        return _read_zip(data, key=key, max_bytes=max_bytes)
    if data.startswith(_LEGACY_TORCH_START):
        return _chosen(read_torch_file(data), key)
    if data.startswith(_PICKLE_START):
        raise InvalidInput(
            "is a pickle, which could run code; expected .npy, .npz or .pt: save the array with numpy.save"
        )
    raise InvalidInput(f"is no file of arrays, it begins with {data[:8]!r}; expected .npy, .npz or .pt, gzipped or not")


def _read_npy(data: bytes | memoryview) -> np.ndarray:
    stream = BytesIO(data)
    try:
        version = np.lib.format.read_magic(stream)
        if version == (1, 0):
            header = np.lib.format.read_array_header_1_0(stream, max_header_size=_MAX_HEADER_BYTES)
        elif version in ((2, 0), (3, 0)):
            header = np.lib.format.read_array_header_2_0(stream, max_header_size=_MAX_HEADER_BYTES)
        else:
            raise InvalidInput(
                f"is an .npy file of version {version}; expected 1, 2 or 3: write it anew with numpy.save"
            )
    except InvalidInput:
        raise
    except Exception as error:  # NumPy parses the header as Python, which fails in many ways
        raise InvalidInput(f"is an .npy file whose header is damaged: {error}; write it anew") from error
    shape, is_fortran, dtype = header
    if dtype.hasobject:
        raise InvalidInput(
            "holds pickled objects, which could run code; expected numbers: save an array with a numeric dtype"
        )
    if dtype.itemsize == 0:
        raise InvalidInput(f"has the dtype {dtype} without bytes; expected numbers")
    count = math.prod(shape)
    wanted = count * dtype.itemsize
    found = len(data) - stream.tell()
    if found < wanted or any(side < 0 for side in shape):
        raise InvalidInput(
            f"is a truncated .npy file: its header says {list(shape)} of {dtype}, {format_count(wanted)} bytes, and "
            f"{format_count(found)} follow; copy or download it again"
        )
    flat = np.frombuffer(data, dtype=dtype, count=count, offset=stream.tell()) if count else np.empty(0, dtype)
    return flat.reshape(shape, order="F" if is_fortran else "C")


def _read_zip(data: bytes, *, key: str | None, max_bytes: int) -> np.ndarray:
    try:
        with zipfile.ZipFile(BytesIO(data)) as archive:
            members = archive.infolist()
            size = sum(member.file_size for member in members)
            if size > max_bytes:
                raise InvalidInput(
                    f"unpacks to {format_bytes(size)}; expected at most {format_bytes(max_bytes)}: raise max_bytes if "
                    "that is meant, or leave the row out"
                )
            arrays = {
                member.filename.removesuffix(".npy"): member for member in members if member.filename.endswith(".npy")
            }
            if not arrays and any(member.filename.endswith("data.pkl") for member in members):
                return _chosen(read_torch_file(data), key)
            name = _one_of(list(arrays), key)
            with archive.open(arrays[name]) as member_file:
                # A member that is longer than its directory entry says ends there, and fails its checksum.
                return _read_npy(member_file.read(max_bytes + 1))
    except InvalidInput:
        raise
    except Exception as error:
        raise InvalidInput(f"is a damaged or truncated .npz file: {error}; copy or download it again") from error


def _one_of(names: list[str], key: str | None) -> str:
    if key is None and len(names) == 1:
        return names[0]
    if key is None:
        raise InvalidInput(f"holds {len(names)} arrays, {_listed(names)}; say which one: key=")
    if key not in names:
        raise InvalidInput(f"holds no array {key!r}.{near_miss_or_known(key, names)}")
    return key


def _chosen(value: Any, key: str | None) -> np.ndarray:
    """The array at a dotted key in what a .pt file held."""
    for name in [] if key is None else key.split("."):
        if isinstance(value, dict):
            value = value[_one_of_dict(value, name)]
        elif isinstance(value, list) and name.isdecimal() and int(name) < len(value):
            value = value[int(name)]
        else:
            raise InvalidInput(f"holds nothing at key {key!r}: there is no {name!r} in {type(value).__name__}")
    if isinstance(value, dict) and len(value) == 1:
        (value,) = value.values()
    if isinstance(value, np.ndarray):
        return value
    if isinstance(value, dict):
        raise InvalidInput(f"holds {len(value)} values, {_listed(list(value))}; say which one: key=")
    if isinstance(value, bool | int | float) or (isinstance(value, list) and value):
        try:
            array = np.asarray(value)
        except ValueError:
            array = np.empty(0, object)
        if array.dtype.kind in "biuf":
            return array
    raise InvalidInput(f"holds {type(value).__name__} and no array; expected a tensor, or a key= that leads to one")


def _one_of_dict(values: dict[Any, Any], name: str) -> Any:
    by_name = {str(item): item for item in values}
    return by_name[_one_of(list(by_name), name)]


def _listed(names: list[Any]) -> str:
    shown = ", ".join(repr(name) for name in names[:8])
    return shown + (", …" if len(names) > 8 else "")
