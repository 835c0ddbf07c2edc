"""What names of outputs tell of how they were made: `inference_ft_th_0.3` and its like, held against one another."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["name_settings"]

# Digits with letters behind them, as of `3d`, are part of a word.
_NUMBER = re.compile(r"(\d+(?:\.\d+)?(?:[eE]-?\d+)?)(?![A-Za-z\d])")
_WORDS = re.compile(r"[^_\-=.\s]+")


def name_settings(names: Sequence[str]) -> dict[str, dict[str, float | str]]:
    """Return the settings that names tell, by name: numbers by the words before them, and words that differ.

    Words that all names have before a number are what it is called; words in front of them that differ are `variant`.
    Names of unlike parts tell nothing.

    Parameters
    ----------
    names : sequence of str

    Examples
    --------
    >>> name_settings(["minimal_lr_5e-6", "moderate_lr_1e-5"])["moderate_lr_1e-5"]
    {'variant': 'moderate', 'lr': 1e-05}
    >>> name_settings(["score_threshold_0.3_miss_tolerance_20"])
    {'score_threshold_0.3_miss_tolerance_20': {'score_threshold': 0.3, 'miss_tolerance': 20.0}}
    >>> name_settings(["ours", "th_0.5"])
    {'ours': {}, 'th_0.5': {}}
    """
    parts = {name: _NUMBER.split(name) for name in names}
    if len({len(one) for one in parts.values()}) != 1:
        return {name: {} for name in names}
    found: dict[str, dict[str, float | str]] = {name: {} for name in names}
    for at in range(len(next(iter(parts.values()))) // 2 + 1):
        words = {name: _WORDS.findall(one[2 * at]) for name, one in parts.items()}
        shared = _shared(list(words.values()))
        last = 2 * at + 1 == len(next(iter(parts.values())))
        for name, told in words.items():
            front = told[: len(told) - shared]
            if len(names) > 1 and any(len(one) > shared for one in words.values()):
                variant = "variant" if not at else f"variant_{at + 1}"
                found[name][variant] = "_".join(front)
            if not last:
                key = "_".join(told[len(told) - shared :]) or f"number_{at + 1}"
                # Of two numbers with one word the second is told by its place too.
                key = f"{key}_{at + 1}" if key in found[name] else key
                found[name][key] = float(parts[name][2 * at + 1])
    return found


def _shared(several: Sequence[list[str]]) -> int:
    """Return how many last words all of them share."""
    count = 0
    for last in zip(*(words[::-1] for words in several), strict=False):
        if len(set(last)) > 1:
            break
        count += 1
    return count
