"""What classes are called: by MOT16's numbers, by a list beside the rows, or as a user says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lapsdata.adapters._texts import lines

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = ["LABELS", "MOT_CLASSES", "ClassNames", "class_names", "labels_beside"]

MOT_CLASSES = (
    *("pedestrian", "person_on_vehicle", "car", "bicycle", "motorbike", "non_mot_vehicle", "static_person"),
    *("distractor", "occluder", "occluder_on_ground", "occluder_full", "reflection", "crowd"),
)
"""Classes 1 to 13 of MOT16, MOT17 and MOT20."""

LABELS = "labels.txt"
"""A list of classes beside the rows, as CVAT writes it: line n is the name of class n."""


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
    """

    numbers: Mapping[int, str]
    names: Mapping[str, str]
    alone: str

    def labels(self, numbers: NDArray[np.int64]) -> tuple[str | list[str], dict[int, int]]:
        """Return the label of each row, one for all where they have one, and how often unknown numbers stand.

        Parameters
        ----------
        numbers : int64 (R,)
            -1 for none.
        """
        different, inverse, counts = np.unique(numbers, return_inverse=True, return_counts=True)
        texts = [self.name(number) for number in different.tolist()]
        unknown = {
            number: count
            for number, count in zip(different.tolist(), counts.tolist(), strict=True)
            if number != -1 and number not in self.numbers
        }
        if len(set(texts)) == 1:
            return texts[0], unknown
        return list(map(texts.__getitem__, inverse.tolist())), unknown

    def name(self, number: int) -> str:
        """Return the name of a class, -1 for none."""
        text = self.alone if number == -1 else self.numbers.get(number, f"class_{number}")
        return self.names.get(text, text)


def class_names(told: Mapping[str, str] | None, beside: Sequence[str] | None = None) -> ClassNames:
    """Return what classes are called: by what is told, else by the list beside the rows, else as MOT16 has them.

    Parameters
    ----------
    told : mapping of str, optional
        Names by number as text, or by another name.
    beside : sequence of str, optional
        As `labels_beside`.

    Examples
    --------
    >>> class_names({"1": "player", "2": "ball"}).name(2), class_names(None).name(7), class_names({"2": "ball"}).alone
    ('ball', 'static_person', 'ball')
    """
    by_number = {int(key): name for key, name in (told or {}).items() if key.isascii() and key.isdigit()}
    names = {key: name for key, name in (told or {}).items() if not (key.isascii() and key.isdigit())}
    numbers = by_number or dict(enumerate(beside or MOT_CLASSES, 1))
    # One class alone needs no number in any row; of several, rows without one are of the first, as scores take them.
    alone = next(iter(numbers.values())) if len(numbers) == 1 else numbers.get(1, MOT_CLASSES[0])
    return ClassNames(numbers, names, alone)


def labels_beside(rows: Path) -> tuple[str, ...] | None:
    """Return the list of classes beside a file of rows, or beside its folder `data`; None where there is none.

    Raises
    ------
    SchemaError, StorageError
        It is no text, or cannot be read.
    """
    places = (rows.parent, rows.parent.parent) if rows.parent.name == "data" else (rows.parent,)
    found = next((place / LABELS for place in places if (place / LABELS).is_file()), None)
    return None if found is None else tuple(line for _, line in lines(found, "\0")) or None
