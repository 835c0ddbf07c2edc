"""Words and numbers as all tables of scores have them."""

from __future__ import annotations

import re
import textwrap

__all__ = ["WIDTH", "number", "plural", "wrapped"]

WIDTH = 80
"""Characters of a line of text beside a table."""


def number(value: float | None) -> str:
    """Return three decimals, or a dash where there is no number."""
    return "-" if value is None else f"{value:.3f}"


def plural(count: int, one: str, many: str | None = None) -> str:
    """Return how many there are of what."""
    return f"{count} {one if count == 1 else many or one + 's'}"


def wrapped(line: str) -> list[str]:
    """Return a sentence as lines that part no word, and no number from its unit."""
    kept = re.sub(r"(?<=\d) (?=s\b)", "\N{NO-BREAK SPACE}", line)
    lines = textwrap.wrap(kept, WIDTH, break_long_words=False, break_on_hyphens=False)
    return [one.replace("\N{NO-BREAK SPACE}", " ") for one in lines]
