"""What each top-level name of a module is made of, from the module's text alone."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field

from headrace.curation.source.imports import STAR, ImportTarget, imported_names
from headrace.curation.source.outside_names import attribute_chain
from headrace.curation.source.syntax_form import is_without_effect

__all__ = ["Binding", "ModuleSyntax", "parse_module"]

_CONTAINERS = frozenset(
    {"dict", "list", "set", "defaultdict", "OrderedDict", "Counter", "deque", "WeakValueDictionary"}
)


@dataclass(slots=True)
class Binding:
    """How one name comes about: imports, and the statements that bind it or change what it names, in their order."""

    imports: list[ImportTarget] = field(default_factory=list)
    statements: list[ast.stmt] = field(default_factory=list)
    is_filled_elsewhere: bool = False  # an empty container: decorators or functions put something into it


@dataclass(frozen=True, slots=True)
class ModuleSyntax:
    """A parsed module. `bindings` by top-level name; `stars` are modules of `from x import *`."""

    name: str
    file: str
    is_package: bool
    tree: ast.Module
    bindings: dict[str, Binding]
    stars: tuple[str, ...]


def parse_module(text: str, *, name: str, file: str, is_package: bool) -> ModuleSyntax:
    """Parse and index a module.

    Raises:
        SyntaxError: It is no Python.
    """
    tree = ast.parse(text, filename=file)
    bindings: dict[str, Binding] = {}
    stars: list[str] = []
    for statement in tree.body:
        for found in _imports(statement):
            for bound, target in imported_names(found, module=name, is_package=is_package):
                if bound == STAR:
                    stars.append(target.module)
                else:
                    bindings.setdefault(bound, Binding()).imports.append(target)
        if is_without_effect(statement):
            continue
        for bound in sorted(set(_bound_names(statement))):
            binding = bindings.setdefault(bound, Binding())
            binding.statements.append(statement)
            binding.is_filled_elsewhere = binding.is_filled_elsewhere or _is_empty_container(statement)
    for statement in tree.body:
        # `@choose.register` adds to `choose`; a decorator of an imported module adds to nothing here.
        for root in _decorating_names(statement):
            if root in bindings and bindings[root].statements and not bindings[root].imports:
                bindings[root].statements.append(statement)
    return ModuleSyntax(name, file, is_package, tree, bindings, tuple(stars))


def _decorating_names(statement: ast.stmt) -> Iterator[str]:
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        for decorator in statement.decorator_list:
            chain = attribute_chain(decorator.func if isinstance(decorator, ast.Call) else decorator)
            if chain is not None and len(chain) > 1:
                yield chain[0]


def _own_nodes(statement: ast.stmt) -> Iterator[ast.AST]:
    """The statement and what it holds, but not the bodies of functions and classes."""
    pending: list[ast.AST] = [statement]
    while pending:
        node = pending.pop()
        yield node
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda):
            continue
        if isinstance(node, ast.stmt) and node is not statement and is_without_effect(node):
            continue
        pending.extend(reversed(list(ast.iter_child_nodes(node))))  # in the order of the text


def _imports(statement: ast.stmt) -> Iterator[ast.Import | ast.ImportFrom]:
    """Also those in `try` and `if`; both branches count, because either may be the one that runs."""
    if isinstance(statement, ast.If) and is_without_effect(statement):
        return
    for node in _own_nodes(statement):
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield node


def _bound_names(statement: ast.stmt) -> Iterator[str]:
    for node in _own_nodes(statement):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store | ast.Del):
            yield node.id
        elif isinstance(node, ast.ExceptHandler | ast.MatchAs | ast.MatchStar) and node.name is not None:
            yield node.name
        elif isinstance(node, ast.MatchMapping) and node.rest is not None:
            yield node.rest
        elif isinstance(node, ast.Attribute | ast.Subscript) and isinstance(node.ctx, ast.Store | ast.Del):
            yield from _root(node)
        elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
            function = node.value.func
            if isinstance(function, ast.Attribute):
                yield from _root(function)  # TABLE.update(...) on a line of its own changes TABLE


def _root(node: ast.expr) -> Iterator[str]:
    while isinstance(node, ast.Subscript | ast.Attribute):
        node = node.value
    chain = attribute_chain(node)
    if chain is not None:
        yield chain[0]


def _is_empty_container(statement: ast.stmt) -> bool:
    value = statement.value if isinstance(statement, ast.Assign | ast.AnnAssign) else None
    if isinstance(value, ast.Dict):
        return not value.keys
    if isinstance(value, ast.List | ast.Set):
        return not value.elts
    if isinstance(value, ast.Call):
        chain = attribute_chain(value.func)
        if chain is None or chain[-1] not in _CONTAINERS or value.keywords:
            return False
        return not value.args or chain[-1] == "defaultdict"
    return False
