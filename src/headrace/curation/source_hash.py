"""The hash of everything that an operator's function reaches inside the project.

Editing a helper two calls deep changes it; a comment, a docstring, an annotation, the layout or the folder does not.
What is read, what is refused and what is not seen is written down in docs/explanation/recipes.md.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from headrace.curation.source.tracing import Trace, Tracer
from headrace.storage.canonical import canonical_json
from headrace.storage.digests import digest_hex

__all__ = ["SourceHash", "SourceHasher", "source_hash"]


@dataclass(frozen=True, slots=True)
class SourceHash:
    """`digest` is BLAKE3, 64 hex digits; the rest tells people what it covers."""

    digest: str
    definitions: tuple[str, ...]  # "module:name" of the project, sorted
    libraries: tuple[str, ...]  # "name==version", sorted


class SourceHasher:
    """Hashes functions and reads each module once: make one for each plan. Not thread-safe."""

    def __init__(self) -> None:
        self._tracer = Tracer()

    def of(self, function: Callable[..., object]) -> SourceHash:
        """The hash of a function, method, partial, lambda, class or callable object.

        Raises:
            InvalidInput: Its code cannot be followed, such as text that is run or modules imported by computed names.
        """
        return _hashed(self._tracer.trace(function))

    def of_name(self, module: str, name: str) -> SourceHash:
        """The hash of a module's top-level name, without importing the module."""
        return _hashed(self._tracer.trace_name(module, name))


def source_hash(function: Callable[..., object]) -> str:
    """The digest of one function, 64 hex digits; for several use one `SourceHasher`."""
    return SourceHasher().of(function).digest


def _hashed(trace: Trace) -> SourceHash:
    return SourceHash(digest_hex(canonical_json(trace.document)), trace.definitions, trace.libraries)
