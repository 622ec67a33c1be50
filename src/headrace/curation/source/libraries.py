"""Installed packages as they count in a hash: the distributions that bring a module, with their versions."""

from __future__ import annotations

import importlib.metadata
from importlib.metadata import Distribution

__all__ = ["LibraryVersions"]


class LibraryVersions:
    """Looks versions up once; a plan asks for the same few libraries again and again. Not thread-safe."""

    def __init__(self) -> None:
        self._found: dict[str, tuple[str, ...]] = {}
        self._providers: dict[str, list[str]] | None = None

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
        if plain is not None and _brings(plain, top):
            return (_text(plain),)
        if self._providers is None:
            # 0.4 s in an environment of 250 packages, hence only for modules called otherwise than their package.
            self._providers = {name: list(found) for name, found in importlib.metadata.packages_distributions().items()}
        names = sorted(set(self._providers.get(top, ())))
        return tuple(sorted(_text(importlib.metadata.distribution(name)) for name in names))


def _distribution(name: str) -> Distribution | None:
    try:
        return importlib.metadata.distribution(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _brings(distribution: Distribution, top: str) -> bool:
    return any(file.parts[0] in (top, f"{top}.py") for file in distribution.files or ())


def _text(distribution: Distribution) -> str:
    name = distribution.metadata["Name"].lower().replace("_", "-")
    return f"{name}=={distribution.version}"
