"""Which episodes of a set are kept: numbers and spans of them, as a person writes them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lapsdata.errors import Problem, Problems, SchemaError, spans_told

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lapsdata.adapters import EpisodesEdit

__all__ = ["chosen_episodes", "kept_splits"]


def chosen_episodes(edit: EpisodesEdit, numbers: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return which episodes are kept: bool (E,).

    Parameters
    ----------
    edit : EpisodesEdit
    numbers : int64 (E,)
        Those that there are, rising.

    Raises
    ------
    SchemaError
        Numbers and spans that name none of them, or go beyond the last; or none is left.

    Examples
    --------
    >>> from lapsdata.adapters import EpisodesEdit
    >>> chosen_episodes(EpisodesEdit(episodes="1:3,4"), np.arange(5)).tolist()
    [False, True, True, False, True]
    """
    found = Problems()
    kept = np.ones(len(numbers), bool)
    if edit.episodes is not None:
        kept = _named(edit.episodes, "episodes", numbers, found)
    if edit.without_episodes is not None:
        kept = kept & ~_named(edit.without_episodes, "without_episodes", numbers, found)
    found.raise_as(SchemaError)
    if not kept.any():
        raise SchemaError(Problem("no-episodes", "episodes", "expected an episode that is kept, got none"))
    return kept


def _named(text: str, option: str, numbers: NDArray[np.int64], found: Problems) -> NDArray[np.bool_]:
    every = np.zeros(len(numbers), bool)
    for span in (part.strip() for part in text.split(",")):
        low, colon, high = span.partition(":")
        first = int(low) if low else 0
        until = (int(high) if high else int(numbers[-1]) + 1) if colon else first + 1
        inside = (numbers >= first) & (numbers < until)
        if not inside.any() or until > numbers[-1] + 1:
            there = spans_told(numbers.tolist())
            message = f"expected numbers of episodes that there are, {there}, got {span}"
            empty = ": a span begins before it ends" if until <= first else ""
            found.add("unknown-episodes", option, message + empty)
        every |= inside
    return every


def kept_splits(splits: dict[str, str], numbers: NDArray[np.int64], kept: NDArray[np.bool_]) -> dict[str, str]:
    """Return where each split lies when the episodes that are kept are numbered anew; those left with none are not.

    Examples
    --------
    >>> kept_splits({"train": "0:3", "test": "3:5"}, np.arange(5), np.array([True, False, True, True, False]))
    {'train': '0:2', 'test': '2:3'}
    """
    before = np.concatenate([[0], np.cumsum(kept)])
    found = {}
    for name, span in splits.items():
        low, _, high = span.partition(":")
        first, until = before[np.searchsorted(numbers, [int(low or 0), int(high)])].tolist()
        if first < until:
            found[name] = f"{first}:{until}"
    return found
