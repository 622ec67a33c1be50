"""Lets `${name}` stand unquoted inside of `{...}` and `[...]`, where YAML would read its braces as its own."""

from __future__ import annotations

import re
from dataclasses import dataclass

__all__ = ["PlaceholderGuard"]

# No quotes: one that is not closed would take the brace behind its text along.
_PLACEHOLDER = re.compile(r"\$\{([^{}'\"\n]*)\}")
_PRIVATE_USE = range(0xE000, 0xF8FF)


@dataclass(frozen=True, slots=True)
class PlaceholderGuard:
    """Two characters that the text does not hold stand for the braces while YAML is read: places stay the same."""

    opening: str
    closing: str

    @classmethod
    def for_text(cls, text: str) -> PlaceholderGuard:
        """A guard whose characters the text does not hold."""
        used = set(text)
        free = [chr(code) for code in _PRIVATE_USE if chr(code) not in used]
        return cls(free[0], free[1])

    def protect(self, text: str) -> str:
        """The text with the braces of placeholders hidden; as long as before."""
        return _PLACEHOLDER.sub(lambda found: f"${self.opening}{found[1]}{self.closing}", text)

    def restored(self, text: str) -> str:
        """What was hidden, in its own form."""
        return text.replace(self.opening, "{").replace(self.closing, "}")
