"""What the numbers of classes mean: names by number, and what a user calls them otherwise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from lapsdata.adapters._box_rows import BoxRows

__all__ = ["ClassNames", "told_names"]


@dataclass(frozen=True, slots=True)
class ClassNames:
    """What the numbers of classes mean.

    Parameters
    ----------
    numbers : dict of str
        Name by number.
    names : dict of str
        Another name by name.
    alone : str
        What a box without a class is called.

    Examples
    --------
    >>> ClassNames({0: "person", 1: "car"}, {"car": "vehicle"}, "person").name(1)
    'vehicle'
    """

    numbers: Mapping[int, str]
    names: Mapping[str, str]
    alone: str

    def labels(self, numbers: NDArray[np.int64], rows: BoxRows, where: str, example: str) -> str | list[str]:
        """Return the label of each row, one for all where they have one; numbers without a name are noted.

        Parameters
        ----------
        numbers : int64 (R,)
            -1 for none.
        rows : BoxRows
            Where it is noted.
        where : str
            The file.
        example : str
            What `--classes` could be told.
        """
        different, inverse, counts = np.unique(numbers, return_inverse=True, return_counts=True)
        texts = [self.name(number) for number in different.tolist()]
        unknown = {
            number: count
            for number, count in zip(different.tolist(), counts.tolist(), strict=True)
            if number != -1 and number not in self.numbers
        }
        if unknown:
            parts = ", ".join(f"{number} ({count} boxes)" for number, count in unknown.items())
            message = f"classes without a name: {parts}, called {self.name(min(unknown))} and so on"
            rows.note("unnamed-classes", where, message, f"say what they are: --classes {example}")
        if len(set(texts)) == 1:
            return texts[0]
        return list(map(texts.__getitem__, inverse.tolist()))

    def name(self, number: int) -> str:
        """Return the name of a class, -1 for none."""
        text = self.alone if number == -1 else self.numbers.get(number, f"class_{number}")
        return self.names.get(text, text)


def told_names(told: Mapping[str, str] | None) -> tuple[dict[int, str], dict[str, str]]:
    """Return what a user calls classes, by their numbers and by their other names.

    Parameters
    ----------
    told : mapping of str, optional
        Names by number as text, or by another name.

    Examples
    --------
    >>> told_names({"1": "player", "car": "vehicle"})
    ({1: 'player'}, {'car': 'vehicle'})
    """
    by_number = {int(key): name for key, name in (told or {}).items() if key.isascii() and key.isdigit()}
    return by_number, {key: name for key, name in (told or {}).items() if not (key.isascii() and key.isdigit())}
