"""One text form for each piece of Python, whatever its layout and whichever Python reads it.

`ast.dump` differs between Python versions, so the tree is written out here: node names, the fields that carry meaning,
constants with their types. Left out are positions, comments, docstrings, annotations that nothing evaluates, imports
(what they name is followed instead) and statements without effect.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator

__all__ = ["class_annotations", "is_without_effect", "keeps_all", "read_annotations", "syntax_form"]

# Layout and hints: `ctx` follows from the place, `kind` is the u of u"text", the rest is for type checkers.
_SILENT_FIELDS = frozenset({"annotation", "ctx", "kind", "returns", "simple", "type_comment", "type_ignores"})

_Item = ast.AST | list[object] | str | tuple[str, object]


def keeps_all(decorator: ast.expr) -> bool:
    """The predicate that leaves every decorator in."""
    return False


def syntax_form(nodes: list[ast.stmt] | ast.AST, *, is_left_out: Callable[[ast.expr], bool] = keeps_all) -> list[str]:
    """The tokens of the form; equal for pieces that differ in layout only.

    Args:
        is_left_out: Decorators that say nothing about what the function does.
    """
    tokens: list[str] = []
    # A stack instead of recursion: a sum of a thousand terms is a tree of depth a thousand.
    pending: list[object] = [nodes]
    while pending:
        item = pending.pop()
        if isinstance(item, _Token):
            tokens.append(item.text)
        elif isinstance(item, ast.Constant):
            tokens.append(_constant(item.value))
        elif isinstance(item, ast.AST):
            if is_without_effect(item):
                continue
            if isinstance(item, ast.AnnAssign) and item.value is not None:
                item = ast.Assign([item.target], item.value)  # x: int = 1 does what x = 1 does
            tokens.append(f"({type(item).__name__}")
            pending.append(_CLOSE)
            for name, value in reversed(list(_fields(item, is_left_out))):
                pending.append(value)
                pending.append(_Token(f".{name}"))
        elif isinstance(item, list):
            tokens.append("[")
            pending.append(_CLOSE_LIST)
            pending.extend(reversed(item))
        else:
            tokens.append("~" if item is None else f"'{item}")
    return tokens


class _Token:
    """A piece of the form that is written as it stands."""

    __slots__ = ("text",)

    def __init__(self, text: str) -> None:
        self.text = text


_CLOSE = _Token(")")
_CLOSE_LIST = _Token("]")


def is_without_effect(node: ast.AST) -> bool:
    """Docstrings and other constants on a line of their own, `pass`, imports, and what only type checkers run."""
    if isinstance(node, ast.Expr):
        return isinstance(node.value, ast.Constant)
    if isinstance(node, ast.AnnAssign):
        return node.value is None
    if isinstance(node, ast.If) and not node.orelse:
        test = node.test
        name = test.id if isinstance(test, ast.Name) else test.attr if isinstance(test, ast.Attribute) else ""
        return name == "TYPE_CHECKING"
    return isinstance(node, ast.Pass | ast.Import | ast.ImportFrom)


def class_annotations(node: ast.ClassDef) -> Iterator[tuple[str, ast.expr]]:
    """Fields that a class declares by annotation: dataclasses and models are made of them."""
    for statement in node.body:
        if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
            yield statement.target.id, statement.annotation


def read_annotations(
    node: ast.FunctionDef | ast.AsyncFunctionDef, *, is_left_out: Callable[[ast.expr], bool]
) -> list[ast.expr]:
    """Annotations that a decorator may act on, as `singledispatch` does; none without such a decorator."""
    decorators = [item for item in node.decorator_list if not is_left_out(item) and _last_name(item) not in _BLIND]
    if not decorators:
        return []
    arguments = [*node.args.posonlyargs, *node.args.args, node.args.vararg, *node.args.kwonlyargs, node.args.kwarg]
    hints = [argument.annotation for argument in arguments if argument is not None] + [node.returns]
    return [hint for hint in hints if hint is not None]


def _last_name(decorator: ast.expr) -> str:
    called = decorator.func if isinstance(decorator, ast.Call) else decorator
    return called.attr if isinstance(called, ast.Attribute) else called.id if isinstance(called, ast.Name) else ""


# Decorators that do not look at annotations.
_BLIND = frozenset(
    {
        "abstractmethod", "asynccontextmanager", "cache", "cached_property", "classmethod", "contextmanager",
        "lru_cache", "overload", "override", "property", "setter", "staticmethod", "total_ordering", "wraps",
    }
)  # fmt: skip


def _fields(node: ast.AST, is_left_out: Callable[[ast.expr], bool]) -> Iterator[tuple[str, object]]:
    """Fields with a meaning; empty ones are left out, so that a later Python may add some."""
    if isinstance(node, ast.JoinedStr):
        yield "values", _merged(node.values)
        return
    if isinstance(node, ast.ClassDef):
        declared: list[object] = [part for name, hint in class_annotations(node) for part in (name, hint)]
        if declared:
            yield "declared", declared
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        hints = read_annotations(node, is_left_out=is_left_out)
        if hints:
            yield "hints", hints
    for name, value in ast.iter_fields(node):
        if name in _SILENT_FIELDS or value is None or value == []:
            continue
        if name == "format_spec" and isinstance(value, ast.JoinedStr) and not value.values:
            continue  # f"{x:}" is f"{x}"
        if name == "decorator_list":
            kept = [decorator for decorator in value if not is_left_out(decorator)]
            if kept:
                yield name, kept
        else:
            yield name, value


def _merged(values: list[ast.expr]) -> list[object]:
    """Parts of an f-string, neighbouring texts as one: where they are cut differs between Python versions."""
    merged: list[object] = []
    for value in values:
        if isinstance(value, ast.Constant) and isinstance(value.value, str):
            last = merged[-1] if merged else None
            if isinstance(last, ast.Constant) and isinstance(last.value, str):
                merged[-1] = ast.Constant(last.value + value.value)
                continue
            if not value.value:
                continue
        merged.append(value)
    return merged


def _constant(value: object) -> str:
    if isinstance(value, bytes):
        return f"bytes:{value.hex()}"
    # Python's repr of text, whole numbers and floats is exact and the same in all versions; True is no 1 here.
    return f"{type(value).__name__}:{value!r}"
