"""Installed packages as they count in a hash: the distributions that bring a module, with their versions."""

from __future__ import annotations

import importlib.metadata
from importlib.metadata import Distribution

__all__ = ["LibraryVersions"]


class LibraryVersions:
    """Looks versions up once; a plan asks for the same few libraries again and again. Not thread-safe."""

    def __init__(self) -> None:
        self._found: dict[str, tuple[str, ...]] = {}
        self._listings: list[tuple[Distribution, str]] | None = None

    def of(self, module: str) -> tuple[str, ...]:
        """("name==version", …) of the distributions that bring the module; empty where no metadata says so."""
        top = module.partition(".")[0]
        if top not in self._found:
            self._found[top] = self._look_up(top)
        return self._found[top]

    def _look_up(self, top: str) -> tuple[str, ...]:
        if top == "headrace":
            from headrace import __version__  # an editable installation lists no modules

            return (f"headrace=={__version__}",)
        plain = _distribution(top)
        if plain is not None and _brings(_listing(plain), top):
            return (_text(plain),)
        if self._listings is None:
            # Only for modules called otherwise than their package, such as cv2: 250 packages have 5 MB of lists.
            self._listings = [(found, _listing(found)) for found in importlib.metadata.distributions()]
        return tuple(sorted({_text(found) for found, listing in self._listings if _brings(listing, top)}))


def _distribution(name: str) -> Distribution | None:
    try:
        return importlib.metadata.distribution(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _listing(distribution: Distribution) -> str:
    """Files of the distribution, one a line, as the installer wrote them down."""
    record = distribution.read_text("RECORD")
    if record is not None:
        return f"\n{record}"
    names = distribution.read_text("top_level.txt") or ""
    return "".join(f"\n{name}/" for name in names.split())


def _brings(listing: str, top: str) -> bool:
    return f"\n{top}/" in listing or f"\n{top}." in listing  # a package, or top.py and top.cpython-311….so


def _text(distribution: Distribution) -> str:
    name = distribution.metadata["Name"].lower().replace("_", "-")
    return f"{name}=={distribution.version}"
