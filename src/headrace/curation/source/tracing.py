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
import importlib
import inspect
import logging
import sys
import threading
import types
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from headrace.curation.source.code_places import CodePlace, find_class, find_code
from headrace.curation.source.definitions import Target, follow_chain, follow_import
from headrace.curation.source.imports import ImportTarget
from headrace.curation.source.libraries import LibraryVersions
from headrace.curation.source.module_finding import ModuleFinder
from headrace.curation.source.module_syntax import ModuleSyntax
from headrace.curation.source.outside_names import OutsideName, attribute_chain, outside_names
from headrace.curation.source.plain_values import PlainForm, plain_form
from headrace.curation.source.syntax_form import syntax_form
from headrace.errors import InvalidInput

__all__ = ["Trace", "Tracer"]

# Names by which operators talk to Headrace. What they do is part of the format of the hash, not of an operator.
_VOCABULARY = frozenset({"Drop", "Media", "Replace", "operator"})
_VOCABULARY_PACKAGE = "headrace.curation"

_TEXT_AS_CODE = frozenset({"__import__", "compile", "eval", "exec"})
_OWN_NAMESPACE = frozenset({"globals", "vars"})
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
# Hold nothing that a result could depend on.
_INERT = (logging.Logger, type(threading.Lock()), type(threading.RLock()))


@dataclass(frozen=True, slots=True)
class Trace:
    """`document` is what is hashed; the rest is for people."""

    document: PlainForm
    definitions: tuple[str, ...]  # "module:name", sorted
    libraries: tuple[str, ...]  # "name==version", sorted


@dataclass(slots=True)
class _Piece:
    """One definition. `links` says what each written name stands for."""

    form: list[str]
    links: dict[str, list[PlainForm]]


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


class _Walk:
    """One function's way; the first piece is the function itself."""

    def __init__(self, finder: ModuleFinder, versions: LibraryVersions, *, own: str) -> None:
        self._finder = finder
        self._versions = versions
        self._own = own
        self._pieces: list[_Piece] = []
        self._numbers: dict[object, int] = {}
        self._waiting: deque[Callable[[], None]] = deque()
        self._kept: list[object] = []  # objects whose id() is a key must not be freed meanwhile
        self._definitions: set[str] = set()
        self._libraries: set[str] = set()

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

    # ------------------------------------------------------------------------------------------- pieces of modules

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

    def _number(self, key: object, read: Callable[[], _Piece]) -> PlainForm:
        number = self._numbers.get(key)
        if number is None:
            number = self._numbers[key] = len(self._pieces)
            self._pieces.append(_Piece([], {}))

            def fill() -> None:
                self._pieces[number] = read()

            self._waiting.append(fill)
        return {"piece": number}

    def _read_piece(self, target: Target) -> _Piece:
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

    def _piece_of(self, nodes: list[ast.stmt], module: ModuleSyntax) -> _Piece:
        def is_left_out(decorator: ast.expr) -> bool:
            return self._is_operator_decorator(decorator, module)

        links: dict[str, list[PlainForm]] = {}
        for use in _in_order(
            outside_names(nodes, module=module.name, is_package=module.is_package, is_left_out=is_left_out)
        ):
            self._add(links, use, self._resolve(use, module), file=module.file)
        return _Piece(syntax_form(nodes, is_left_out=is_left_out), links)

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
        if root in _OWN_NAMESPACE:
            return self._links_of([Target("module", module.name)])
        if hasattr(builtins, root):
            return [{"builtin": root}] if root in _TEXT_AS_CODE else []
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
        if names & _TEXT_AS_CODE:
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

    def _partial(self, value: functools.partial[object]) -> _Piece:
        links: dict[str, list[PlainForm]] = {"function": [self._object(value.func)]}
        links |= {f"argument {idx}": [self._object(item)] for idx, item in enumerate(value.args)}
        links |= {f"argument {name}": [self._object(item)] for name, item in sorted(value.keywords.items())}
        return _Piece(["partial"], links)

    def _method(self, value: types.MethodType) -> _Piece:
        return _Piece(["method", value.__func__.__name__], {"owner": [self._object(value.__self__)]})

    def _instance(self, value: object) -> _Piece:
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
        return _Piece(["object"], links)

    def _class(self, value: type) -> PlainForm:
        if not self._is_project(value.__module__):
            link = self._library(value)
            return {"builtin": value.__qualname__} if link is None else link
        static = self._static(value, value.__module__, value.__qualname__)
        if static is not None:
            return static
        return self._number(("object", id(value)), lambda: self._class_piece(value))

    def _class_piece(self, value: type) -> _Piece:
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

    def _function_piece(self, function: types.FunctionType, module: str) -> _Piece:
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
    ) -> _Piece:
        """A piece inside a function or a notebook: its free names are looked up where Python would."""
        self._definitions.add(f"{module}:{place.name}")
        links: dict[str, list[PlainForm]] = {}
        # Decorators of an inner function ran before the object came about, which is at hand itself.
        ran = set() if isinstance(place.node, ast.Lambda | ast.ClassDef) else set(place.node.decorator_list)
        for use in _in_order(outside_names([place.node], module=module, is_left_out=ran.__contains__)):
            root = use.chain[0]
            if use.imported is None and root in cells:
                found = self._cell(cells[root], use.chain)
            elif use.imported is not None or place.syntax is not None:
                found = self._resolve(use, place.syntax or _nowhere(module, place.file))
            else:
                found = self._from_namespace(use, namespace)
            self._add(links, use, found, file=place.file)
        return _Piece(syntax_form(place.node, is_left_out=ran.__contains__), links)

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
            return [{"builtin": root}] if root in _TEXT_AS_CODE | _OWN_NAMESPACE else []
        return [{"missing": root}]


def _in_order(uses: Iterable[OutsideName]) -> list[OutsideName]:
    """By name, so that numbers do not depend on where in the text a name comes first."""
    return sorted(uses, key=lambda use: (use.chain, use.line, use.column))


def _nowhere(module: str, file: str) -> ModuleSyntax:
    return ModuleSyntax(module, file, False, ast.Module([], []), {}, ())


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


def _lazy_attribute(target: Target) -> object:
    """What a module's `__getattr__` gives: only running it tells, and the function itself would."""
    try:
        return getattr(importlib.import_module(target.module), target.name)
    except (AttributeError, ImportError) as error:
        raise InvalidInput(f"{target.module}.{target.name} cannot be looked up: {error}") from error


def _file_digest(file: Path | None) -> str:
    import hashlib  # compiled modules of a project are rare

    return hashlib.sha256(file.read_bytes() if file is not None else b"").hexdigest()
