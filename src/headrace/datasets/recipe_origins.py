"""What rows that a recipe made say of where they came from: the snapshot that was read, the plan, the run."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import parse_qsl, urlencode

from headrace.datasets.batches import Origin

__all__ = ["RecipeOrigin"]

_SCHEME = "recipe:"


@dataclass(frozen=True, slots=True)
class RecipeOrigin:
    """One input of a recipe's run, as the origin of rows of its output; the rows' members are samples of the input.

    Attributes:
        source: Name of the input in the recipe; None for rows of which the run does not know the input.
        lake: URI of the input's lake; None where it is the output's own.
        dataset: Id of the input, which outlives its name.
    """

    recipe: str
    plan_hash: str
    run_id: str
    source: str | None = None
    lake: str | None = None
    dataset: str | None = None
    snapshot: str | None = None

    @property
    def reference(self) -> str | None:
        """The snapshot that was read, as commands take it; without the lake where it is the output's own."""
        if self.dataset is None or self.snapshot is None:
            return None
        return f"{'' if self.lake is None else f'{self.lake}::'}{self.dataset}@id:{self.snapshot}"

    @property
    def origin(self) -> Origin:
        """As a commit writes it down."""
        named = [
            ("recipe", self.recipe),
            ("plan", self.plan_hash),
            ("run", self.run_id),
            ("source", self.source),
            ("lake", self.lake),
            ("dataset", self.dataset),
            ("snapshot", self.snapshot),
        ]
        text = urlencode([(name, value) for name, value in named if value is not None])
        return Origin(f"{_SCHEME}?{text}", None, self.snapshot)

    @classmethod
    def of(cls, origin: Origin) -> RecipeOrigin | None:
        """What `origin` gave; None for files and whatever else rows come from."""
        if not origin.uri.startswith(f"{_SCHEME}?"):
            return None
        named = dict(parse_qsl(origin.uri.removeprefix(f"{_SCHEME}?")))
        if not {"recipe", "plan", "run"} <= set(named):
            return None
        return cls(
            named["recipe"],
            named["plan"],
            named["run"],
            named.get("source"),
            named.get("lake"),
            named.get("dataset"),
            named.get("snapshot"),
        )
