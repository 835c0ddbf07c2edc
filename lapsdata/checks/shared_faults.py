"""Faults that many episodes share: each is told once, with an example and the numbers of the episodes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from lapsdata.errors import Problem, spans_told

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from lapsdata.errors import LapsError, Severity

__all__ = ["SharedFaults"]


@dataclass
class _Fault:
    first: Problem
    example: int
    numbers: set[int] = field(default_factory=set)


class SharedFaults:
    """Collects what is wrong with episodes, and tells alike faults together.

    Examples
    --------
    >>> faults = SharedFaults()
    >>> for number in (3, 4, 9):
    ...     faults.add(number, "fewer-frames", "set: top", f"expected 40 frames, got {30 + number}")
    >>> print(*faults, sep=" ")
    set: top: episode 3: expected 40 frames, got 33; alike in 3 episodes: 3-4, 9 [fewer-frames]
    """

    def __init__(self) -> None:
        self._found: dict[tuple[str, str], _Fault] = {}

    def add(
        self,
        number: int,
        code: str,
        where: str,
        message: str,
        fix: str | None = None,
        severity: Severity = "error",
    ) -> None:
        """Note a fault of an episode by its number; those of one code and place are one."""
        self._note((code, where), Problem(code, where, message, fix, severity), [number])

    def refused(self, numbers: Iterable[int], part: str, error: LapsError) -> None:
        """Note that a file of episodes cannot be read; those of one code and part of the data set are one."""
        known = list(numbers)
        for problem in error.problems:
            self._note((problem.code, part), problem, known)

    def _note(self, key: tuple[str, str], problem: Problem, numbers: list[int]) -> None:
        self._found.setdefault(key, _Fault(problem, numbers[0])).numbers.update(numbers)

    def __iter__(self) -> Iterator[Problem]:
        for fault in self._found.values():
            one, count = fault.first, len(fault.numbers)
            place = f"episode {fault.example}"
            message = one.message if one.where.endswith(place) else f"{place}: {one.message}"
            if count > 1:
                message += f"; alike in {count} episodes: {spans_told(fault.numbers)}"
            yield Problem(one.code, one.where, message, one.fix, one.severity)
