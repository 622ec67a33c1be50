"""Names that a piece of Python takes from outside of itself: globals, imports in functions, free variables.

The scopes are those of the language reference (4.2 "Naming and binding"): functions, lambdas and comprehensions have
their own names, those of a class body are not seen by its methods.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from headrace.curation.source.imports import ImportTarget, imported_names
from headrace.curation.source.syntax_form import class_annotations, is_without_effect, keeps_all, read_annotations

__all__ = ["OutsideName", "attribute_chain", "outside_names"]

_Function = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
_Comprehension = ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp


@dataclass(frozen=True, slots=True)
class OutsideName:
    """`a.b.c` as it is written; `imported` where an import inside a function says what `a` is."""

    chain: tuple[str, ...]
    imported: ImportTarget | None
    line: int  # 1-based, in the text that was parsed
    column: int  # 1-based
    call: ast.Call | None = None  # the call whose function it is


@dataclass(slots=True)
class _Scope:
    parent: _Scope | None
    is_class: bool = False
    names: set[str] = field(default_factory=set)
    imports: dict[str, list[ImportTarget]] = field(default_factory=dict)
    global_names: set[str] = field(default_factory=set)
    outer_names: set[str] = field(default_factory=set)

    def find(self, name: str) -> list[ImportTarget] | None:
        """None for a name from outside, else the imports that bind it here, none for a plain local."""
        scope: _Scope | None = self
        while scope is not None:
            if name in scope.global_names:
                return None
            if not (scope.is_class and scope is not self) and name not in scope.outer_names:
                if name in scope.imports:
                    return scope.imports[name]
                if name in scope.names:
                    return []
            scope = scope.parent
        return None


def attribute_chain(node: ast.expr) -> tuple[str, ...] | None:
    """("a", "b", "c") for `a.b.c`; None where the root is no name."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name):
        return None
    return (node.id, *reversed(parts))


def outside_names(
    nodes: Iterable[ast.AST],
    *,
    module: str,
    is_package: bool = False,
    is_left_out: Callable[[ast.expr], bool] = keeps_all,
) -> Iterator[OutsideName]:
    """Every use of a name that the nodes do not bind in a scope of their own.

    Args:
        module: Name of the module that holds the nodes, where relative imports start.
        is_left_out: Decorators that are not looked at.
    """
    walk = _Walk(module=module, is_package=is_package, is_left_out=is_left_out)
    return walk.run(nodes)


class _Walk:
    def __init__(self, *, module: str, is_package: bool, is_left_out: Callable[[ast.expr], bool]) -> None:
        self._module = module
        self._is_package = is_package
        self._is_left_out = is_left_out
        self._pending: list[tuple[ast.AST, _Scope]] = []

    def run(self, nodes: Iterable[ast.AST]) -> Iterator[OutsideName]:
        top = _Scope(None)
        self._push(list(nodes), top)
        while self._pending:
            node, scope = self._pending.pop()
            if is_without_effect(node):
                continue
            if isinstance(node, ast.Call):
                chain = attribute_chain(node.func)
                if chain is not None:
                    yield from self._use(chain, node.func, scope, call=node)
                else:
                    self._push([node.func], scope)
                self._push([*node.args, *node.keywords], scope)
            elif isinstance(node, ast.Attribute | ast.Name):
                chain = attribute_chain(node)
                if chain is not None:
                    yield from self._use(chain, node, scope)
                elif isinstance(node, ast.Attribute):
                    self._push([node.value], scope)
            elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
                self._enter_function(node, scope)
            elif isinstance(node, ast.ClassDef):
                self._enter_class(node, scope)
            elif isinstance(node, ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp):
                self._enter_comprehension(node, scope)
            elif isinstance(node, ast.AnnAssign):
                self._push([part for part in (node.target, node.value) if part is not None], scope)
            else:
                self._push(list(ast.iter_child_nodes(node)), scope)

    def _push(self, nodes: list[ast.AST], scope: _Scope) -> None:
        self._pending.extend((node, scope) for node in reversed(nodes))

    def _use(
        self, chain: tuple[str, ...], node: ast.expr, scope: _Scope, *, call: ast.Call | None = None
    ) -> Iterator[OutsideName]:
        found = scope.find(chain[0])
        for imported in [None] if found is None else found:
            yield OutsideName(chain, imported, node.lineno, node.col_offset + 1, call)

    def _enter_function(self, node: _Function, scope: _Scope) -> None:
        arguments = node.args
        outer: list[ast.AST] = [*arguments.defaults, *(item for item in arguments.kw_defaults if item is not None)]
        body: list[ast.AST] = [node.body] if isinstance(node, ast.Lambda) else list(node.body)
        inner = _Scope(scope)
        if not isinstance(node, ast.Lambda):
            outer = [item for item in node.decorator_list if not self._is_left_out(item)] + outer
            outer += read_annotations(node, is_left_out=self._is_left_out)
            inner.names.update(_type_parameters(node))
        inner.names.update(
            argument.arg for argument in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)
        )
        inner.names.update(extra.arg for extra in (arguments.vararg, arguments.kwarg) if extra is not None)
        self._bind(body, inner)
        self._push(outer, scope)
        self._push(body, inner)

    def _enter_class(self, node: ast.ClassDef, scope: _Scope) -> None:
        inner = _Scope(scope, is_class=True)
        self._bind(list(node.body), inner)
        inner.names.update(_type_parameters(node))
        self._push([item for item in node.decorator_list if not self._is_left_out(item)], scope)
        self._push([*node.bases, *node.keywords], scope)
        self._push([hint for _, hint in class_annotations(node)], inner)
        self._push(list(node.body), inner)

    def _enter_comprehension(self, node: _Comprehension, scope: _Scope) -> None:
        inner = _Scope(scope)
        for generator in node.generators:
            inner.names.update(name.id for name in ast.walk(generator.target) if isinstance(name, ast.Name))
        first, *others = node.generators
        self._push([first.iter], scope)  # evaluated outside, as the language says
        parts: list[ast.AST] = [first.target, *first.ifs]
        for generator in others:
            parts += [generator.target, generator.iter, *generator.ifs]
        parts += [node.key, node.value] if isinstance(node, ast.DictComp) else [node.elt]
        self._push(parts, inner)

    def _bind(self, body: list[ast.AST], scope: _Scope) -> None:
        """Collect what the body binds in its own scope."""
        pending = list(body)
        while pending:
            node = pending.pop()
            if isinstance(node, ast.Import | ast.ImportFrom):
                for name, target in imported_names(node, module=self._module, is_package=self._is_package):
                    scope.imports.setdefault(name, []).append(target)
                continue
            if isinstance(node, ast.Lambda):
                continue
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                scope.names.add(node.name)
                continue
            if isinstance(node, ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp):
                # Only `:=` leaves a comprehension.
                for inside in ast.walk(node):
                    if isinstance(inside, ast.NamedExpr) and isinstance(inside.target, ast.Name):
                        scope.names.add(inside.target.id)
                continue
            if isinstance(node, ast.Global):
                scope.global_names.update(node.names)
            elif isinstance(node, ast.Nonlocal):
                scope.outer_names.update(node.names)
            elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store | ast.Del):
                scope.names.add(node.id)
            elif isinstance(node, ast.ExceptHandler | ast.MatchAs | ast.MatchStar) and node.name is not None:
                scope.names.add(node.name)
            elif isinstance(node, ast.MatchMapping) and node.rest is not None:
                scope.names.add(node.rest)
            pending.extend(ast.iter_child_nodes(node))


def _type_parameters(node: ast.AST) -> Iterator[str]:
    """Names of `def f[T]` and `class C[T]`, which Python 3.11 does not know."""
    for parameter in getattr(node, "type_params", []):
        yield parameter.name
