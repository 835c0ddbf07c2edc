"""Words and numbers as all tables of scores have them."""

from __future__ import annotations

__all__ = ["number", "plural"]


def number(value: float | None) -> str:
    """Return three decimals, or a dash where there is no number."""
    return "-" if value is None else f"{value:.3f}"


def plural(count: int, one: str, many: str | None = None) -> str:
    """Return how many there are of what."""
    return f"{count} {one if count == 1 else many or one + 's'}"
