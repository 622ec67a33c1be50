"""JSON documents whose name is not their digest, so that they carry their own check against bit rot.

The bytes are canonical JSON with one more key, `check`: BLAKE3 of the canonical form without it. It proves nothing
about who wrote them; tampering shows in the chain of the log.
"""

from __future__ import annotations

from collections.abc import Mapping

from headrace.errors import DataCorrupted
from headrace.storage.canonical import JsonValue, canonical_json, read_json
from headrace.storage.digests import digest_hex

__all__ = ["read_sealed", "seal"]

_CHECK = "check"


def seal(document: Mapping[str, JsonValue]) -> bytes:
    """The document with its check, as it is stored."""
    return canonical_json({**document, _CHECK: digest_hex(canonical_json(document))})


def read_sealed(data: bytes, *, name: str) -> dict[str, JsonValue]:
    """The document that `seal` wrote, without the check; `name` is the object for the message.

    Raises:
        DataCorrupted: A bit differs from what was written.
    """
    document = read_json(data, name=name)
    if isinstance(document, dict):
        check = document.pop(_CHECK, None)
        try:
            if check == digest_hex(canonical_json(document)) and seal(document) == data:
                return document
        except TypeError:  # a whole number became a float
            pass
    raise DataCorrupted(
        f"{name} does not hold what was written: its check does not fit its content. Restore this object from a copy "
        "of the lake, then run: headrace verify"
    )
