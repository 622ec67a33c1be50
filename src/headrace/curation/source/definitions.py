"""Following a written name to the definition, library or module that it stands for, by reading only."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from headrace.curation.source.imports import ImportTarget
from headrace.curation.source.module_finding import FoundModule, ModuleFinder
from headrace.curation.source.module_syntax import Binding, ModuleSyntax

__all__ = ["Target", "follow_chain", "follow_import"]


@dataclass(frozen=True, slots=True)
class Target:
    """What a name stands for.

    `definition`: top-level `name` of a module of the project; `module`: such a module used as a value; `runtime`: a
    name that only the module's `__getattr__` knows; `library`, `standard`, `missing`: `name` is the full dotted name.
    """

    kind: Literal["definition", "module", "runtime", "binary", "library", "standard", "missing"]
    module: str
    name: str = ""


def follow_chain(
    finder: ModuleFinder, module: ModuleSyntax, chain: tuple[str, ...], *, own: str
) -> tuple[Target, ...] | None:
    """What `chain` means at the top level of the module; None where the module does not bind its root."""
    found = _in_syntax(finder, module, chain, own=own, seen=frozenset())
    return found or None


def follow_import(finder: ModuleFinder, target: ImportTarget, rest: tuple[str, ...], *, own: str) -> tuple[Target, ...]:
    """What an import followed by attributes means."""
    chain = rest if target.name is None else (target.name, *rest)
    return tuple(_in_module(finder, target.module, chain, own=own, seen=frozenset()))


_Seen = frozenset[tuple[str, str]]


def _in_module(finder: ModuleFinder, name: str, chain: tuple[str, ...], *, own: str, seen: _Seen) -> Iterator[Target]:
    found = finder.find(name, own=own)
    if found.kind != "project":
        yield Target(found.kind, name, ".".join((name, *chain)))
        return
    if found.syntax is None:
        yield Target("binary", name, ".".join(chain))
        return
    if not chain:
        yield Target("module", found.syntax.name)
        return
    targets = _in_syntax(finder, found.syntax, chain, own=own, seen=seen)
    if targets:
        yield from targets
        return
    below = f"{name}.{chain[0]}"
    if finder.find(below, own=own).kind == "project":
        yield from _in_module(finder, below, chain[1:], own=own, seen=seen)
    elif "__getattr__" in found.syntax.bindings:
        yield Target("runtime", name, chain[0])
    else:
        yield Target("missing", name, ".".join((name, *chain)))


def _in_syntax(
    finder: ModuleFinder, module: ModuleSyntax, chain: tuple[str, ...], *, own: str, seen: _Seen
) -> tuple[Target, ...]:
    root = chain[0]
    step = (module.name, root)
    if step in seen:
        return ()  # two modules that import a name from each other
    seen |= {step}
    binding = module.bindings.get(root)
    if binding is not None:
        return tuple(_in_binding(finder, module, binding, chain, own=own, seen=seen))
    for star in module.stars:
        found = finder.find(star, own=own)
        if found.kind == "project" and not root.startswith("_"):
            targets = tuple(_in_module(finder, star, chain, own=own, seen=seen))
            if targets and all(target.kind != "missing" for target in targets):
                return targets
        elif found.kind in ("library", "standard") and _offers(found, root):
            return (Target(found.kind, star, ".".join((star, *chain))),)
    return ()


def _in_binding(
    finder: ModuleFinder, module: ModuleSyntax, binding: Binding, chain: tuple[str, ...], *, own: str, seen: _Seen
) -> Iterator[Target]:
    if binding.is_filled_elsewhere:
        # What fills an empty table - a decorator, a loop over plugins - cannot be told from reading.
        yield Target("module", module.name)
        return
    for target in binding.imports:
        rest = chain[1:] if target.name is None else (target.name, *chain[1:])
        yield from _in_module(finder, target.module, rest, own=own, seen=seen)
    if binding.statements:
        yield Target("definition", module.name, chain[0])


def _offers(found: FoundModule, name: str) -> bool:
    """Whether a library's module that is loaded has the name; `from numpy import *` says no more."""
    return hasattr(sys.modules.get(found.name), name)
