"""From YAML text to nodes.

YAML 1.2 with the core schema, so that `no` is text and `0o7` a number. Left out on purpose are tags (they could make
objects), merge keys and several documents in a file. The text is never executed and aliases are counted, so that a
small file cannot grow large ("billion laughs").
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)
from ruamel.yaml.reader import ReaderError

from headrace.curation.recipe_file.nodes import ListNode, MapEntry, MapNode, Node, ScalarNode, WrittenFloat
from headrace.curation.recipe_file.placeholder_guard import PlaceholderGuard
from headrace.curation.recipe_file.problems import InvalidRecipe, Place, Problem
from headrace.errors import NotFound

__all__ = ["MAX_ALIASES", "MAX_BYTES", "MAX_DEPTH", "MAX_NODES", "read_yaml", "read_yaml_file", "read_yaml_value"]

MAX_BYTES = 256 * 1024  # of a file; ruamel reads about 300 KB/s
MAX_DEPTH = 32  # lists and mappings inside of each other
MAX_ALIASES = 100  # uses of *name
MAX_NODES = 50_000  # values of a file with its aliases written out


def read_yaml_file(path: Path) -> Node:
    """Read a file.

    Raises:
        NotFound: There is no such file.
        InvalidRecipe: It is no text, too large, or not the YAML that recipes are written in.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError) as error:
        raise NotFound(f"there is no file {str(path)!r}; a recipe is a YAML file") from error
    if len(data) > MAX_BYTES:
        raise _failure(f"the file has more than {MAX_BYTES:,} bytes, which no recipe needs", Place(str(path), 1, 1))
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = data[: error.start]
        line, start = before.count(b"\n") + 1, before.rfind(b"\n") + 1
        column = len(before[start:].decode("utf-8", "replace")) + 1
        raise _failure(f"byte {data[error.start]:#04x} is not UTF-8", Place(str(path), line, column)) from error
    return read_yaml(text, file=str(path))


def read_yaml(text: str, *, file: str) -> Node:
    """Read text; `file` is the name for messages.

    Raises:
        InvalidRecipe: Not the YAML that recipes are written in; with line and column.
    """
    return _Reader(text, file=file).read()


def read_yaml_value(text: str) -> Node:
    """A value as it would be written in a recipe, such as `64`, `true` or `[a, b]`.

    Raises:
        InvalidRecipe: It cannot be read.
    """
    return read_yaml(text, file="value")


@dataclass(slots=True)
class _Open:
    """A list or mapping that is being read."""

    place: Place
    anchor: str | None
    is_mapping: bool
    items: list[Node] = field(default_factory=list)
    entries: dict[str, MapEntry] = field(default_factory=dict)
    key: tuple[str, Place] | None = None
    num_nodes: int = 1


class _Reader:
    def __init__(self, text: str, *, file: str) -> None:
        self._file = file
        self._guard = PlaceholderGuard.for_text(text)
        self._text = text
        self._anchors: dict[str, tuple[Node, int] | None] = {}  # None while the anchor is being read
        self._num_aliases = 0

    def read(self) -> Node:
        try:
            return self._build(self._events())
        except InvalidRecipe:
            raise
        except MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            place = Place(self._file, 1, 1) if mark is None else self._place(mark.line, mark.column)
            problem = self._guard.restored(" ".join(str(error.problem or error.context or "cannot be read").split()))
            raise _failure(f"not YAML: {problem}", place) from error
        except ReaderError as error:
            before = self._text[: error.position]
            place = self._place(before.count("\n"), len(before) - before.rfind("\n") - 1)
            raise _failure(
                f"the character U+{_code_point(error.character):04X} is not allowed in YAML", place
            ) from error
        except (YAMLError, ValueError) as error:
            raise _failure(f"not YAML: {self._guard.restored(str(error))}", Place(self._file, 1, 1)) from error

    def _events(self) -> Iterator[Event]:
        yield from YAML(typ="safe", pure=True).parse(self._guard.protect(self._text))

    def _build(self, events: Iterator[Event]) -> Node:
        """Without recursion, so that depth is bounded by MAX_DEPTH and not by Python's stack."""
        stack: list[_Open] = []
        root: Node | None = None
        for event in events:
            if isinstance(event, DocumentStartEvent):
                if root is not None:
                    raise _failure("a second document; a recipe is one", self._place_of(event))
            elif isinstance(event, MappingStartEvent | SequenceStartEvent):
                self._refuse_tag(event)
                if len(stack) >= MAX_DEPTH:
                    raise _failure(
                        f"more than {MAX_DEPTH} lists and mappings inside of each other", self._place_of(event)
                    )
                if stack and stack[-1].is_mapping and stack[-1].key is None:
                    raise _failure("a key must be text", self._place_of(event))
                if event.anchor is not None:
                    self._anchors[event.anchor] = None
                stack.append(_Open(self._place_of(event), event.anchor, isinstance(event, MappingStartEvent)))
            elif isinstance(event, ScalarEvent | AliasEvent | MappingEndEvent | SequenceEndEvent):
                node, num_nodes = self._finished(event, stack)
                if node is None:
                    continue
                if not stack:
                    root = node
                    continue
                around = stack[-1]
                around.num_nodes += num_nodes
                if around.num_nodes > MAX_NODES:
                    raise _failure(f"more than {MAX_NODES:,} values, aliases written out", self._place_of(event))
                self._put(around, node)
        return ScalarNode(None, Place(self._file, 1, 1)) if root is None else root

    def _finished(self, event: Event, stack: list[_Open]) -> tuple[Node | None, int]:
        """The node that ends with the event; None for a key."""
        if isinstance(event, AliasEvent):
            return self._aliased(event, stack)
        if isinstance(event, ScalarEvent):
            self._refuse_tag(event)
            place = self._place_of(event)
            text = self._guard.restored(event.value)
            if stack and stack[-1].is_mapping and stack[-1].key is None:
                self._take_key(stack[-1], text, place)
                return None, 0
            is_plain = event.implicit[0] and event.style is None
            value = _scalar(text, place) if is_plain else text
            scalar = ScalarNode(value, place)
            if event.anchor is not None:
                self._anchors[event.anchor] = (scalar, 1)
            return scalar, 1
        done = stack.pop()
        node: Node = (
            MapNode(tuple(done.entries.values()), done.place)
            if done.is_mapping
            else ListNode(tuple(done.items), done.place)
        )
        if done.anchor is not None:
            self._anchors[done.anchor] = (node, done.num_nodes)
        return node, done.num_nodes

    def _aliased(self, event: AliasEvent, stack: list[_Open]) -> tuple[Node, int]:
        place = self._place_of(event)
        self._num_aliases += 1
        if self._num_aliases > MAX_ALIASES:
            raise _failure(f"more than {MAX_ALIASES} aliases", place)
        if stack and stack[-1].is_mapping and stack[-1].key is None:
            raise _failure("a key must be text, not an alias", place)
        if event.anchor not in self._anchors:
            raise _failure(f"*{event.anchor} refers to no &{event.anchor} above", place)
        known = self._anchors[event.anchor]
        if known is None:
            raise _failure(f"*{event.anchor} is inside of what it refers to", place)
        return known

    def _take_key(self, around: _Open, text: str, place: Place) -> None:
        first = around.entries.get(text)
        if first is not None:
            line = first.key_place.line if first.key_place is not None else 0
            raise _failure(f"the key {text!r} is here twice; the first is in line {line}", place)
        if text == "<<":
            raise _failure("merge keys (<<) are not read; write the keys out", place)
        around.key = (text, place)

    def _put(self, around: _Open, node: Node) -> None:
        if around.is_mapping:
            if around.key is None:
                raise RuntimeError("a value without a key")  # the event order of YAML excludes it
            key, place = around.key
            around.entries[key] = MapEntry(key, place, node)
            around.key = None
        else:
            around.items.append(node)

    def _refuse_tag(self, event: ScalarEvent | MappingStartEvent | SequenceStartEvent) -> None:
        if event.tag is not None:
            raise _failure(f"tags such as {event.tag} are not read; write the value itself", self._place_of(event))

    def _place_of(self, event: Event) -> Place:
        return self._place(event.start_mark.line, event.start_mark.column)

    def _place(self, line: int, column: int) -> Place:
        return Place(self._file, line + 1, column + 1)


_WHOLE = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_MAX_DIGITS = 19


def _scalar(text: str, place: Place) -> bool | int | float | str | None:
    """A plain scalar by the core schema of YAML 1.2."""
    if text in ("", "~", "null", "Null", "NULL"):
        return None
    if text in ("true", "True", "TRUE", "false", "False", "FALSE"):
        return text.lower() == "true"
    if _WHOLE.fullmatch(text):
        if len(text) > _MAX_DIGITS + 1:
            raise _failure("a whole number of more than 64 bits; quote it if it is text", place)
        return int(text, 0) if text[:2] in ("0o", "0x") else int(text)
    if _NOT_FINITE.fullmatch(text):
        raise _failure(f"{text} is no number to compute with; leave the key out", place)
    if _FLOAT.fullmatch(text):
        if not math.isfinite(float(text)):
            raise _failure(f"{text[:40]} is too large for a number", place)
        return WrittenFloat.read(text)
    return text


def _code_point(character: object) -> int:
    return character if isinstance(character, int) else ord(str(character))


def _failure(message: str, place: Place) -> InvalidRecipe:
    return InvalidRecipe.of((Problem(message, place),))
