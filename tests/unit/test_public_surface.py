"""What can be imported is what `__all__` says, in every module."""

from __future__ import annotations

import pkgutil
import types
from importlib import import_module
from importlib.metadata import version

import pytest

import headrace

PUBLIC_PACKAGES = [
    "headrace",
    "headrace.curation",
    "headrace.errors",
    "headrace.streaming",
    "headrace.streaming.transforms",
    "headrace.testing",
]

MODULES = sorted(
    module.name
    for module in pkgutil.walk_packages(headrace.__path__, prefix="headrace.")
    if not module.name.endswith(("__main__", "_pb2"))  # what a compiler generated has no `__all__`
)


def _names_of_its_own(module: types.ModuleType) -> set[str]:
    """Public names that a module or package offers: no submodules, nothing imported from elsewhere."""
    own = set()
    for name, value in vars(module).items():
        if name.startswith("_") or isinstance(value, types.ModuleType):
            continue
        home = getattr(value, "__module__", None)
        if isinstance(home, str) and home.partition(".")[0] == "headrace":
            own.add(name)
    return own


@pytest.mark.parametrize("name", PUBLIC_PACKAGES)
def test_public_package_offers_exactly_its_all(name: str) -> None:
    module = import_module(name)
    exported = list(module.__all__)
    assert exported == sorted(set(exported)), f"{name}.__all__ is not sorted or names something twice"
    missing = [entry for entry in exported if not hasattr(module, entry)]
    assert missing == []
    assert _names_of_its_own(module) - set(exported) == set()
    assert set(exported) <= set(dir(module)), "lazily imported names belong in __dir__ too"


@pytest.mark.parametrize("name", MODULES)
def test_module_all_names_what_exists(name: str) -> None:
    module = import_module(name)
    is_package = hasattr(module, "__path__")
    if is_package and not _names_of_its_own(module) and not hasattr(module, "__all__"):
        return  # a folder that re-exports nothing
    if name.startswith("headrace.cli.commands.") and not hasattr(module, "__all__"):
        return  # one command, which the program's table names
    exported = getattr(module, "__all__", None)
    assert exported is not None, f"{name} has no __all__"
    assert len(set(exported)) == len(exported)
    assert [entry for entry in exported if not hasattr(module, entry)] == []
    assert [entry for entry in exported if entry.startswith("_")] == []


def test_star_import_gives_all_of_headrace() -> None:
    namespace: dict[str, object] = {}
    exec("from headrace import *", namespace)
    assert set(headrace.__all__) <= set(namespace)


def test_version_is_that_of_the_installed_package() -> None:
    assert headrace.__version__ == version("headrace")
