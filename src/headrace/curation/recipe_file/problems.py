"""Everything that is wrong with a recipe, reported at once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from headrace.errors import HeadraceError, InvalidInput

__all__ = ["InvalidRecipe", "Place", "Problem", "Problems"]

_MAX_TOLD = 20


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """Where something is written; line and column are 1-based."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong. Recipes made in Python have no places."""

    message: str
    place: Place | None = None

    def __str__(self) -> str:
        return self.message if self.place is None else f"{self.place}: {self.message}"

    def to_json(self) -> dict[str, object]:
        """The problem for programs; the place is null where there is none."""
        place = self.place
        return {
            "message": self.message,
            "file": None if place is None else place.file,
            "line": None if place is None else place.line,
            "column": None if place is None else place.column,
        }


class InvalidRecipe(InvalidInput):
    """A recipe with problems: the first gives file, line and column, the message tells them all."""

    problems: tuple[Problem, ...] = ()  # empty where the error came from another process, as text

    @classmethod
    def of(cls, problems: tuple[Problem, ...]) -> InvalidRecipe:
        """The error for at least one problem, in the order given."""
        first = problems[0]
        lines = [first.message, *(str(problem) for problem in problems[1:_MAX_TOLD])]
        if len(problems) > _MAX_TOLD:
            lines.append(f"and {len(problems) - _MAX_TOLD} more")
        message = "\n".join(lines)
        place = first.place
        error = cls(message) if place is None else cls(message, file=place.file, line=place.line, column=place.column)
        error.problems = problems
        return error


class Problems:
    """Collects problems; one for each place, because a `foreach` meets the same text again and again."""

    def __init__(self) -> None:
        self._found: list[Problem] = []
        self._places: set[tuple[Place, str]] = set()

    def __bool__(self) -> bool:
        return bool(self._found)

    def add(self, message: str, place: Place | None, *, missing: str = "") -> None:
        """Note a problem; `missing` is a key that should be at the place, of which there may be several."""
        if place is not None:
            if (place, missing) in self._places:
                return
            self._places.add((place, missing))
        self._found.append(Problem(message, place))

    @contextmanager
    def noted(self, place: Place | None, *, subject: str = "") -> Iterator[None]:
        """Turns an error of Headrace in the block into a problem at this place."""
        try:
            yield
        except HeadraceError as error:
            self.add(f"{subject}: {error.message}" if subject else error.message, place)

    def raise_any(self) -> None:
        """Raise them all, in the order of the file.

        Raises:
            InvalidRecipe: There is at least one.
        """
        if self._found:
            placed = [problem for problem in self._found if problem.place is not None]
            placed.sort(key=lambda problem: (problem.place.line, problem.place.column) if problem.place else (0, 0))
            raise InvalidRecipe.of((*placed, *(problem for problem in self._found if problem.place is None)))
