"""What classes are called: by MOT16's numbers, by a list beside the rows, or as a user says."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lapsdata.adapters._class_names import ClassNames, told_names
from lapsdata.adapters._texts import lines

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

__all__ = ["LABELS", "MOT_CLASSES", "class_names", "labels_beside"]

MOT_CLASSES = (
    *("pedestrian", "person_on_vehicle", "car", "bicycle", "motorbike", "non_mot_vehicle", "static_person"),
    *("distractor", "occluder", "occluder_on_ground", "occluder_full", "reflection", "crowd"),
)
"""Classes 1 to 13 of MOT16, MOT17 and MOT20."""

LABELS = "labels.txt"
"""A list of classes beside the rows, as CVAT writes it: line n is the name of class n."""


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
    by_number, names = told_names(told)
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
