"""Pieces of modules: a definition's form, with links to what the names in it stand for."""

from __future__ import annotations

import ast
import builtins
import functools
import importlib
import sys
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from headrace.curation.source.definitions import Target, follow_chain, follow_import
from headrace.curation.source.imports import ImportTarget
from headrace.curation.source.libraries import LibraryVersions
from headrace.curation.source.module_finding import ModuleFinder
from headrace.curation.source.module_syntax import ModuleSyntax
from headrace.curation.source.outside_names import OutsideName, attribute_chain, outside_names
from headrace.curation.source.plain_values import PlainForm
from headrace.curation.source.syntax_form import syntax_form
from headrace.errors import InvalidInput

__all__ = ["OWN_NAMESPACE", "TEXT_AS_CODE", "ModulePieces", "Piece", "in_order"]

# Names by which operators talk to Headrace. What they do is part of the format of the hash, not of an operator.
_VOCABULARY = frozenset({"Drop", "Media", "Replace", "operator"})
_VOCABULARY_PACKAGE = "headrace.curation"

TEXT_AS_CODE = frozenset({"__import__", "compile", "eval", "exec"})
OWN_NAMESPACE = frozenset({"globals", "vars"})
_MODULES_BY_NAME = frozenset({"importlib.import_module"})
_UNSEEN_CODE = frozenset(
    {
        "importlib.util.module_from_spec", "importlib.machinery.SourceFileLoader", "runpy.run_module",
        "runpy.run_path", "types.FunctionType",
    }
)  # fmt: skip
# Set by Python in every module; `__file__` leads to files, whose content nothing here can know.
_MODULE_ATTRIBUTES = frozenset(
    {"__annotations__", "__builtins__", "__debug__", "__doc__", "__file__", "__loader__", "__name__", "__package__",
     "__path__", "__spec__"}
)  # fmt: skip


@dataclass(slots=True)
class Piece:
    """One definition. `links` says what each written name stands for."""

    form: list[str]
    links: dict[str, list[PlainForm]]


class ModulePieces:
    """Numbers the pieces that it meets and reads them one after the other. Not thread-safe."""

    def __init__(self, finder: ModuleFinder, versions: LibraryVersions, *, own: str) -> None:
        self._finder = finder
        self._versions = versions
        self._own = own
        self._pieces: list[Piece] = []
        self._numbers: dict[object, int] = {}
        self._waiting: deque[Callable[[], None]] = deque()
        self._kept: list[object] = []  # objects whose id() is a key must not be freed meanwhile
        self._definitions: set[str] = set()
        self._libraries: set[str] = set()

    def _links_of(self, targets: Iterable[Target]) -> list[PlainForm]:
        links: list[PlainForm] = []
        for target in targets:
            link = self._link(target)
            if link not in links:
                links.append(link)
        return links

    def _link(self, target: Target) -> PlainForm:
        if target.kind in ("definition", "module"):
            return self._number(target, functools.partial(self._read_piece, target))
        if target.kind == "binary":
            return {"binary": [_file_digest(self._finder.find(target.module, own=self._own).binary), target.name]}
        if target.kind == "runtime":
            return self._object(_lazy_attribute(target))
        if target.kind == "library":
            package, _, last = target.name.rpartition(".")
            if last in _VOCABULARY and f"{package}.".startswith(f"{_VOCABULARY_PACKAGE}."):
                return {"operators": last}
            versions = self._versions.of(target.module)
            self._libraries.update(versions)
            return {"library": [target.name, *versions]}
        return {target.kind: target.name}

    def _number(self, key: object, read: Callable[[], Piece]) -> PlainForm:
        number = self._numbers.get(key)
        if number is None:
            number = self._numbers[key] = len(self._pieces)
            self._pieces.append(Piece([], {}))

            def fill() -> None:
                self._pieces[number] = read()

            self._waiting.append(fill)
        return {"piece": number}

    def _read_piece(self, target: Target) -> Piece:
        module = self._module(target.module)
        self._definitions.add(f"{target.module}:{target.name or '*'}")
        if target.kind == "module":
            return self._piece_of(list(module.tree.body), module)
        return self._piece_of(list(module.bindings[target.name].statements), module)

    def _module(self, name: str) -> ModuleSyntax:
        found = self._finder.find(name, own=self._own).syntax
        if found is None:
            found = self._finder.find("__main__", own=self._own).syntax  # `python -m` gave it its true name
        if found is None:
            raise LookupError(f"module {name} was found before and has no syntax now")
        return found

    def _piece_of(self, nodes: list[ast.stmt], module: ModuleSyntax) -> Piece:
        def is_left_out(decorator: ast.expr) -> bool:
            return self._is_operator_decorator(decorator, module)

        links: dict[str, list[PlainForm]] = {}
        for use in in_order(
            outside_names(nodes, module=module.name, is_package=module.is_package, is_left_out=is_left_out)
        ):
            self._add(links, use, self._resolve(use, module), file=module.file)
        return Piece(syntax_form(nodes, is_left_out=is_left_out), links)

    def _add(self, links: dict[str, list[PlainForm]], use: OutsideName, found: list[PlainForm], *, file: str) -> None:
        self._refuse_unseen(use, found, file=file)
        kept = links.setdefault(".".join(use.chain), [])
        kept += [link for link in found if link not in kept]
        if not kept:
            del links[".".join(use.chain)]

    def _resolve(self, use: OutsideName, module: ModuleSyntax) -> list[PlainForm]:
        if use.imported is not None:
            return self._links_of(follow_import(self._finder, use.imported, use.chain[1:], own=self._own))
        targets = follow_chain(self._finder, module, use.chain, own=self._own)
        root = use.chain[0]
        if targets is not None:
            links = self._links_of(targets)
            by_name = _module_by_name(use, targets)
            if by_name is not None:
                links += self._links_of(follow_import(self._finder, ImportTarget(by_name), (), own=self._own))
            if any(target.name == "sys.modules" for target in targets):
                links += self._links_of([Target("module", module.name)])
            return links
        if root in OWN_NAMESPACE:
            return self._links_of([Target("module", module.name)])
        if hasattr(builtins, root):
            return [{"builtin": root}] if root in TEXT_AS_CODE else []
        if root in _MODULE_ATTRIBUTES:
            return []
        loaded = vars(sys.modules[module.name]) if module.name in sys.modules else {}
        if root in loaded:
            raise InvalidInput(
                f"{root!r} is put into module {module.name!r} from outside, so what it is cannot be read from the "
                "source; define or import it there",
                file=module.file,
                line=use.line,
                column=use.column,
            )
        return [{"missing": root}]

    def _is_operator_decorator(self, decorator: ast.expr, module: ModuleSyntax) -> bool:
        """`@operator(...)` declares; what it declares is hashed with the plan, not with the source."""
        chain = attribute_chain(decorator.func if isinstance(decorator, ast.Call) else decorator)
        if chain is None:
            return False
        binding = module.bindings.get(chain[0])
        for target in binding.imports if binding is not None else ():
            path = [target.module, *([] if target.name is None else [target.name]), *chain[1:]]
            if path[-1] == "operator" and f"{'.'.join(path)}.".startswith(f"{_VOCABULARY_PACKAGE}."):
                return True
        return False

    def _refuse_unseen(self, use: OutsideName, found: list[PlainForm], *, file: str) -> None:
        written = ".".join(use.chain)
        names = {str(name) for link in found if isinstance(link, dict) for name in _names_of(link)}
        if names & TEXT_AS_CODE:
            reason = f"{written}() runs code that is made from text"
        elif names & _UNSEEN_CODE and use.call is not None:
            reason = f"{written}() runs code that no name leads to"
        elif names & _MODULES_BY_NAME and (use.call is None or _first_text(use.call) is None):
            reason = f"{written}() imports a module whose name is not written here"
        else:
            return
        raise InvalidInput(
            f"{reason}, so its changes could not be seen and old results would be taken for new ones; "
            "import and call what is needed by name, or put this into an installed package, which counts by version",
            file=file,
            line=use.line,
            column=use.column,
        )

    def _object(self, value: object) -> PlainForm:
        """The link to an object that only running code gives."""
        raise NotImplementedError


def in_order(uses: Iterable[OutsideName]) -> list[OutsideName]:
    """By name, so that numbers do not depend on where in the text a name comes first."""
    return sorted(uses, key=lambda use: (use.chain, use.line, use.column))


def _module_by_name(use: OutsideName, targets: tuple[Target, ...]) -> str | None:
    """The module of `import_module("a.b")` where its name is written out."""
    if use.call is None or not any(target.name in _MODULES_BY_NAME for target in targets):
        return None
    return _first_text(use.call)


def _first_text(call: ast.Call) -> str | None:
    first = call.args[0] if call.args else None
    if len(call.args) == 1 and not call.keywords and isinstance(first, ast.Constant) and isinstance(first.value, str):
        return None if first.value.startswith(".") else first.value
    return None


def _names_of(link: dict[str, PlainForm]) -> list[PlainForm]:
    return [name for kind in ("builtin", "standard") if (name := link.get(kind)) is not None]


def _lazy_attribute(target: Target) -> object:
    """What a module's `__getattr__` gives: only running it tells, and the function itself would."""
    try:
        return getattr(importlib.import_module(target.module), target.name)
    except (AttributeError, ImportError) as error:
        raise InvalidInput(f"{target.module}.{target.name} cannot be looked up: {error}") from error


def _file_digest(file: Path | None) -> str:
    import hashlib  # compiled modules of a project are rare

    return hashlib.sha256(file.read_bytes() if file is not None else b"").hexdigest()
