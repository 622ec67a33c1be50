"""Where a module's text is, and whether the module is the project's, a library's or Python's own.

Nothing is imported: modules that are loaded say where they came from, others are looked for on the path.
"""

from __future__ import annotations

import importlib.machinery
import importlib.util
import os
import site
import sys
import sysconfig
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import distributions
from pathlib import Path
from typing import Literal

from headrace.curation.source.module_syntax import ModuleSyntax, parse_module
from headrace.errors import InvalidInput

__all__ = ["FoundModule", "ModuleFinder"]

_PACKAGE_FOLDERS = {"dist-packages", "site-packages"}


@dataclass(frozen=True, slots=True)
class FoundModule:
    """`syntax` for modules of the project; `binary` is the file of a compiled one."""

    name: str
    kind: Literal["project", "library", "standard", "missing"]
    syntax: ModuleSyntax | None = None
    binary: Path | None = None


class ModuleFinder:
    """Finds and parses modules, each once. Not thread-safe."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, str], FoundModule] = {}
        self._library_roots = _library_roots()
        self._standard_roots = _existing([sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib")])
        self._holds_packages: dict[Path, frozenset[str]] = {}

    def find(self, name: str, *, own: str) -> FoundModule:
        """The module; `own` is the top-level package of the function that asks, which is a project wherever it lies.

        Raises:
            InvalidInput: A module of the project has no readable text.
        """
        key = (name, own)
        if key not in self._found:
            self._found[key] = self._find(name, own=own)
        return self._found[key]

    def _find(self, name: str, *, own: str) -> FoundModule:
        top = name.partition(".")[0]
        if top == "headrace" and top != own:
            return FoundModule(name, "library")  # also where its source lies beside the project
        spec = _spec(name)
        if spec is None:
            # Names below a module that is no package, or a package that is not installed here.
            kind = "standard" if top in sys.stdlib_module_names else "missing"
            return FoundModule(name, kind)  # type: ignore[arg-type]  # one of the two literals
        origin = spec.origin
        if origin in ("built-in", "frozen"):
            return FoundModule(name, "standard")
        file = Path(origin) if origin else None
        folder = file.parent if file is not None else _first_folder(spec)
        if top != own or top == "__future__":
            if top in sys.stdlib_module_names and (folder is None or self._is_standard(folder)):
                return FoundModule(name, "standard")
            if folder is not None and self._is_library(folder, name):
                return FoundModule(name, "library")
        if file is None:  # a folder without __init__.py
            empty = parse_module("", name=name, file=str(folder), is_package=True)
            return FoundModule(name, "project", empty)
        if isinstance(spec.loader, importlib.machinery.ExtensionFileLoader):
            return FoundModule(name, "project", binary=file)
        return FoundModule(name, "project", _read(spec, name=name, file=file))

    def _is_standard(self, folder: Path) -> bool:
        return any(folder.is_relative_to(root) for root in self._standard_roots)

    def _is_library(self, folder: Path, name: str) -> bool:
        if _PACKAGE_FOLDERS & set(folder.parts) or any(folder.is_relative_to(root) for root in self._library_roots):
            return True
        # `pip install --target` puts packages into any folder, with their metadata beside them.
        depth = name.count(".") + 1
        for root in (folder, *folder.parents)[: depth + 1]:
            if root not in self._holds_packages:
                self._holds_packages[root] = _packages_in(root)
            if name.partition(".")[0] in self._holds_packages[root]:
                return True
        return False


def _spec(name: str) -> importlib.machinery.ModuleSpec | None:
    loaded = sys.modules.get(name)
    if loaded is not None:
        spec: importlib.machinery.ModuleSpec | None = getattr(loaded, "__spec__", None)
        file = getattr(loaded, "__file__", None)
        if spec is not None and (spec.origin is not None or spec.submodule_search_locations is not None):
            return spec
        if isinstance(file, str) and os.path.exists(file):  # a script: __main__ has no spec
            return importlib.util.spec_from_file_location(name, file)
        return None
    parent, _, _ = name.rpartition(".")
    if not parent:
        try:
            return importlib.util.find_spec(name)
        except (ImportError, ValueError):
            return None
    above = _spec(parent)
    if above is None or above.submodule_search_locations is None:
        return None
    return importlib.machinery.PathFinder.find_spec(name, list(above.submodule_search_locations))


def _first_folder(spec: importlib.machinery.ModuleSpec) -> Path | None:
    for location in spec.submodule_search_locations or ():
        return Path(location)
    return None


def _read(spec: importlib.machinery.ModuleSpec, *, name: str, file: Path) -> ModuleSyntax:
    reader = getattr(spec.loader, "get_source", None)
    text: str | None = None
    try:
        if reader is not None:
            text = reader(spec.name)
        elif file.suffix == ".py":  # a loader that rewrites, as pytest's
            text = importlib.util.decode_source(file.read_bytes())
    except (ImportError, OSError, SyntaxError, UnicodeDecodeError) as error:
        raise InvalidInput(f"the source of module {name!r} cannot be read: {error}", file=str(file)) from error
    if text is None:
        raise InvalidInput(
            f"module {name!r} has no source text beside it, so changes to it could not be seen; install it as a "
            "package (then its version counts) or keep its .py file",
            file=str(file),
        )
    is_package = spec.submodule_search_locations is not None
    try:
        return parse_module(text, name=_true_name(spec, name), file=str(file), is_package=is_package)
    except SyntaxError as error:
        raise InvalidInput(
            f"not Python: {error.msg}", file=str(file), line=error.lineno, column=error.offset
        ) from error


def _true_name(spec: importlib.machinery.ModuleSpec, name: str) -> str:
    """`python -m package.tool` runs as __main__, but its relative imports start at the package."""
    return spec.name if name in ("__main__", "__mp_main__") else name


def _library_roots() -> tuple[Path, ...]:
    places = [sysconfig.get_path("purelib"), sysconfig.get_path("platlib"), site.getusersitepackages()]
    return _existing(places)


def _existing(places: Iterable[str | None]) -> tuple[Path, ...]:
    return tuple(Path(place) for place in places if place and os.path.isdir(place))


def _packages_in(folder: Path) -> frozenset[str]:
    """Top-level modules of the distributions whose metadata lies in the folder."""
    if not folder.is_dir() or next(folder.glob("*.dist-info"), None) is None:
        return frozenset()
    return frozenset(
        file.parts[0].removesuffix(".py")
        for distribution in distributions(path=[str(folder)])
        for file in distribution.files or ()
    )
