"""Everything of the project that a function reaches, as one document without names of modules or places.

The document is a list of pieces in the order in which they are reached, each with its form and with what the names in
it stand for: another piece by its number, a library by name and version, a plain value. Since pieces are numbered and
not named after their modules, moving or renaming a file changes nothing, and recursion needs no special care.
"""

from __future__ import annotations

import ast
import builtins
import enum
import functools
import inspect
import logging
import sys
import threading
import types
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from headrace.curation.source.code_places import CodePlace, find_class, find_code
from headrace.curation.source.definitions import Target, follow_import
from headrace.curation.source.imports import ImportTarget
from headrace.curation.source.libraries import LibraryVersions
from headrace.curation.source.module_finding import ModuleFinder
from headrace.curation.source.module_pieces import OWN_NAMESPACE, TEXT_AS_CODE, ModulePieces, Piece, in_order
from headrace.curation.source.module_syntax import ModuleSyntax
from headrace.curation.source.outside_names import OutsideName, outside_names
from headrace.curation.source.plain_values import PlainForm, plain_form
from headrace.curation.source.syntax_form import syntax_form
from headrace.errors import InvalidInput

__all__ = ["Trace", "Tracer"]

# Hold nothing that a result could depend on.
_INERT = (logging.Logger, type(threading.Lock()), type(threading.RLock()))


@dataclass(frozen=True, slots=True)
class Trace:
    """`document` is what is hashed; the rest is for people."""

    document: PlainForm
    definitions: tuple[str, ...]  # "module:name", sorted
    libraries: tuple[str, ...]  # "name==version", sorted


class Tracer:
    """Traces functions, reading each module once. Not thread-safe; takes the files as they are when first read."""

    def __init__(self) -> None:
        self._finder = ModuleFinder()
        self._versions = LibraryVersions()

    def trace(self, function: Callable[..., object]) -> Trace:
        """Follow a function, method, partial, class or callable object.

        Raises:
            InvalidInput: Its code cannot be followed; names file and line where there are any.
        """
        own = _own_package(function)
        try:
            return _Walk(self._finder, self._versions, own=own).run(function)
        except InvalidInput:
            # An installed package has a version to count by, where its code cannot be followed.
            if not own or self._finder.find(own, own="").kind == "project":
                raise
            return _Walk(self._finder, self._versions, own="").run(function)

    def trace_name(self, module: str, name: str) -> Trace:
        """Follow a top-level name of a module that need not be imported."""
        walk = _Walk(self._finder, self._versions, own=module.partition(".")[0])
        return walk.run_import(ImportTarget(module, name))


def _own_package(function: object) -> str:
    """Top-level package of the function: what lies beside it is the project, also if pip installed it."""
    while isinstance(function, functools.partial):
        function = function.func
    function = getattr(function, "__func__", function)
    if not inspect.isroutine(function) and not inspect.isclass(function):
        function = type(function)
    module = getattr(inspect.unwrap(function) if callable(function) else function, "__module__", None)
    return module.partition(".")[0] if isinstance(module, str) else ""


class _Walk(ModulePieces):
    """One function's way; the first piece is the function itself."""

    def run(self, function: object) -> Trace:
        return self._finish([self._object(function)])

    def run_import(self, target: ImportTarget) -> Trace:
        return self._finish(self._links_of(follow_import(self._finder, target, (), own=self._own)))

    def _finish(self, root: list[PlainForm]) -> Trace:
        while self._waiting:
            self._waiting.popleft()()
        pieces: list[PlainForm] = [
            {"form": list(piece.form), "links": dict(sorted(piece.links.items()))} for piece in self._pieces
        ]
        document: PlainForm = {"format": 1, "root": root, "pieces": pieces}
        return Trace(document, tuple(sorted(self._definitions)), tuple(sorted(self._libraries)))

    # -------------------------------------------------------------------------------------------- objects at hand

    def _object(self, value: object) -> PlainForm:
        """What an object stands for that only exists at run time: in closures, partials, notebooks."""
        try:
            return {"value": plain_form(value)}
        except TypeError:
            pass
        if isinstance(value, types.ModuleType):
            (link,) = self._links_of(follow_import(self._finder, ImportTarget(value.__name__), (), own=self._own))
            return link
        if isinstance(value, enum.Enum):
            return {"value": [self._object(type(value)), value.name]}
        self._kept.append(value)
        if isinstance(value, list | tuple):
            return {"items": [self._object(item) for item in value]}
        if isinstance(value, dict):
            pairs = sorted(value.items(), key=lambda pair: str(pair[0]))
            return {"map": [[self._object(key), self._object(item)] for key, item in pairs]}
        if isinstance(value, functools.partial):
            return self._number(("object", id(value)), lambda: self._partial(value))
        if isinstance(value, types.MethodType):
            return self._number(("method", value.__func__, id(value.__self__)), lambda: self._method(value))
        if isinstance(value, types.FunctionType):
            return self._function(value)
        if isinstance(value, type):
            return self._class(value)
        if isinstance(value, _INERT):
            return {"inert": type(value).__qualname__}
        if isinstance(getattr(value, "__wrapped__", None), types.FunctionType | type):
            return self._object(value.__wrapped__)  # type: ignore[attr-defined]  # functools.cache and the like
        library = self._library(value)
        if library is not None:
            return library
        if self._is_project(type(value).__module__):
            return self._number(("object", id(value)), lambda: self._instance(value))
        raise InvalidInput(
            f"a {type(value).__module__}.{type(value).__qualname__} is part of the function (in its closure, defaults "
            "or partial arguments) and its content cannot be hashed; make it inside of the function, or from a "
            "module-level name, and declare the digest of a model"
        )

    def _library(self, value: object) -> PlainForm:
        module = getattr(value, "__module__", None)
        name = getattr(value, "__qualname__", getattr(value, "__name__", None))
        if isinstance(value, types.BuiltinFunctionType) and isinstance(value.__self__, types.ModuleType):
            module = value.__self__.__name__
        if not isinstance(module, str) or not isinstance(name, str) or self._is_project(module):
            return None
        (link,) = self._links_of(follow_import(self._finder, ImportTarget(module, name), (), own=self._own))
        return link

    def _is_project(self, module: str) -> bool:
        if self._finder.find(module, own=self._own).kind == "project":
            return True
        return module == "__main__"  # a notebook has no file

    def _partial(self, value: functools.partial[object]) -> Piece:
        links: dict[str, list[PlainForm]] = {"function": [self._object(value.func)]}
        links |= {f"argument {idx}": [self._object(item)] for idx, item in enumerate(value.args)}
        links |= {f"argument {name}": [self._object(item)] for name, item in sorted(value.keywords.items())}
        return Piece(["partial"], links)

    def _method(self, value: types.MethodType) -> Piece:
        return Piece(["method", value.__func__.__name__], {"owner": [self._object(value.__self__)]})

    def _instance(self, value: object) -> Piece:
        """An object by its class and what it holds now."""
        state = dict(getattr(value, "__dict__", {}))
        for owner in type(value).__mro__:
            slots = owner.__dict__.get("__slots__", ())
            for name in (slots,) if isinstance(slots, str) else slots:
                if name not in ("__dict__", "__weakref__") and hasattr(value, name):
                    state[name] = getattr(value, name)
        links: dict[str, list[PlainForm]] = {"class": [self._object(type(value))]}
        for name, item in sorted(state.items()):
            try:
                links[f"attribute {name}"] = [self._object(item)]
            except InvalidInput as error:
                raise InvalidInput(f"{type(value).__qualname__}.{name}: {error.message}") from error
        return Piece(["object"], links)

    def _class(self, value: type) -> PlainForm:
        if not self._is_project(value.__module__):
            link = self._library(value)
            return {"builtin": value.__qualname__} if link is None else link
        static = self._static(value, value.__module__, value.__qualname__)
        if static is not None:
            return static
        return self._number(("object", id(value)), lambda: self._class_piece(value))

    def _class_piece(self, value: type) -> Piece:
        functions = [item for item in vars(value).values() if isinstance(item, types.FunctionType)]
        place = find_class(value, functions, syntax=self._finder.find(value.__module__, own=self._own).syntax)
        cells: dict[str, types.CellType] = {}
        for function in functions:
            cells |= dict(zip(function.__code__.co_freevars, function.__closure__ or (), strict=True))
        cells.pop("__class__", None)
        return self._runtime_piece(place, cells, vars(sys.modules[value.__module__]), module=value.__module__)

    def _function(self, function: types.FunctionType) -> PlainForm:
        module = function.__globals__.get("__name__")
        module = module if isinstance(module, str) else function.__module__ or "__main__"
        if not self._is_project(module):
            link = self._library(function)
            if link is not None:
                return link
        lexical = function.__code__.co_qualname
        for home, name in ((function.__module__ or module, function.__qualname__), (module, lexical)):
            static = self._static(function, home, name, is_exact=name != lexical)
            if static is not None:
                return static
        return self._number(("object", id(function)), lambda: self._function_piece(function, module))

    def _static(self, value: object, module: str, qualname: str, *, is_exact: bool = True) -> PlainForm | None:
        """The piece of a module-level definition, if the name leads to this very object.

        `is_exact`: the name may be borrowed, as `functools.wraps` does, so look whether it leads here.
        """
        if "<" in qualname or self._finder.find(module, own=self._own).kind != "project":
            return None
        syntax = self._finder.find(module, own=self._own).syntax
        top = qualname.partition(".")[0]
        if syntax is None or top not in syntax.bindings or not syntax.bindings[top].statements:
            return None
        if is_exact:
            found: object = sys.modules.get(module)
            for part in qualname.split("."):
                found = getattr(found, part, None)
            if found is not value:
                return None
        return self._link(Target("definition", syntax.name, top))

    def _function_piece(self, function: types.FunctionType, module: str) -> Piece:
        syntax = self._finder.find(module, own=self._own).syntax
        place = find_code(function.__code__, syntax=syntax)
        cells = dict(zip(function.__code__.co_freevars, function.__closure__ or (), strict=True))
        cells.pop("__class__", None)
        piece = self._runtime_piece(place, cells, function.__globals__, module=module)
        for name, item in _made_defaults(function, place.node):
            piece.links[f"default {name}"] = [self._object(item)]
        return piece

    def _runtime_piece(
        self, place: CodePlace, cells: dict[str, types.CellType], namespace: dict[str, object], *, module: str
    ) -> Piece:
        """A piece inside a function or a notebook: its free names are looked up where Python would."""
        self._definitions.add(f"{module}:{place.name}")
        links: dict[str, list[PlainForm]] = {}
        # Decorators of an inner function ran before the object came about, which is at hand itself.
        ran = set() if isinstance(place.node, ast.Lambda | ast.ClassDef) else set(place.node.decorator_list)
        for use in in_order(outside_names([place.node], module=module, is_left_out=ran.__contains__)):
            root = use.chain[0]
            if use.imported is None and root in cells:
                found = self._cell(cells[root], use.chain)
            elif use.imported is not None or place.syntax is not None:
                found = self._resolve(use, place.syntax or _nowhere(module, place.file))
            else:
                found = self._from_namespace(use, namespace)
            self._add(links, use, found, file=place.file)
        return Piece(syntax_form(place.node, is_left_out=ran.__contains__), links)

    def _cell(self, cell: types.CellType, chain: tuple[str, ...]) -> list[PlainForm]:
        try:
            value = cell.cell_contents
        except ValueError:  # not set yet
            return [{"missing": chain[0]}]
        return self._attribute(value, chain)

    def _attribute(self, value: object, chain: tuple[str, ...]) -> list[PlainForm]:
        if isinstance(value, types.ModuleType):
            target = ImportTarget(value.__name__)
            return self._links_of(follow_import(self._finder, target, chain[1:], own=self._own))
        try:
            return [self._object(value)]
        except InvalidInput as error:
            raise InvalidInput(f"name {chain[0]!r}: {error.message}") from error

    def _from_namespace(self, use: OutsideName, namespace: dict[str, object]) -> list[PlainForm]:
        root = use.chain[0]
        if root in namespace:
            return self._attribute(namespace[root], use.chain)
        if hasattr(builtins, root):
            return [{"builtin": root}] if root in TEXT_AS_CODE | OWN_NAMESPACE else []
        return [{"missing": root}]


def _nowhere(module: str, file: str) -> ModuleSyntax:
    return ModuleSyntax(module, file, False, ast.Module([], []), {}, ())


def _made_defaults(function: types.FunctionType, node: ast.AST) -> Iterator[tuple[str, object]]:
    """Default values whose expressions hold names, which the function around may have given; others are in the text."""
    if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
        return
    places = [*node.args.posonlyargs, *node.args.args]
    written = zip(places[len(places) - len(node.args.defaults) :], node.args.defaults, strict=True)
    for (argument, expression), value in zip(written, function.__defaults__ or (), strict=False):
        if _holds_names(expression):
            yield argument.arg, value
    for argument, default in zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True):
        if default is not None and _holds_names(default) and argument.arg in (function.__kwdefaults__ or {}):
            yield argument.arg, (function.__kwdefaults__ or {})[argument.arg]


def _holds_names(expression: ast.expr) -> bool:
    return any(isinstance(part, ast.Name) for part in ast.walk(expression))
