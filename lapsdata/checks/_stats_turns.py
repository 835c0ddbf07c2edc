"""What is stated of episodes, in the order in which their rows are read."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lapsdata.adapters import Stated

__all__ = ["Turns"]


class Turns:
    """Gives what is stated of each episode when its turn comes; what comes before its turn is kept until then.

    Both are usually in order of the numbers, so that one statement is kept.

    Parameters
    ----------
    coming : iterator of (int, Stated)
        Raises what is wrong with the files.
    wanted : frozenset of int
        Numbers of episodes; of others nothing is kept.

    Examples
    --------
    >>> turns = Turns(iter([(7, {}), (2, {"action": {}}), (1, {}), (1, {})]), frozenset({1, 2, 3}))
    >>> turns.of(1), turns.of(2), turns.of(3), turns.twice()
    ({}, {'action': {}}, None, [1])
    """

    def __init__(self, coming: Iterator[tuple[int, Stated]], wanted: frozenset[int]) -> None:
        self._coming, self._wanted = coming, wanted
        self._waiting: dict[int, Stated] = {}
        self._given: set[int] = set()
        self._again: set[int] = set()

    def of(self, number: int) -> Stated | None:
        """Return what is stated of an episode, None where nothing is; raises what is wrong with the files."""
        while number not in self._waiting and (following := next(self._coming, None)) is not None:
            self._take(*following)
        self._given.add(number)
        return self._waiting.pop(number, None)

    def twice(self) -> list[int]:
        """Return the numbers of which something is stated more than once, when each was asked for."""
        for number, stated in self._coming:
            self._take(number, stated)
        return sorted(self._again)

    def _take(self, number: int, stated: Stated) -> None:
        if number in self._given or number in self._waiting:
            self._again.add(number)
        elif number in self._wanted:
            self._waiting[number] = stated
