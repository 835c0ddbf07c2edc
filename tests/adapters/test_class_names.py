"""What numbers of classes become, and what is said of those that nobody has named."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lapsdata.adapters._box_rows import BoxRows
from lapsdata.adapters._class_names import ClassNames, told_names

NAMES = ClassNames({1: "person", 2: "car"}, {"car": "vehicle", "class_9": "kite"}, "person")


@pytest.mark.parametrize(
    ("number", "name"), [(-1, "person"), (1, "person"), (2, "vehicle"), (3, "class_3"), (9, "kite"), (0, "class_0")]
)
def test_a_number_has_one_name(number: int, name: str) -> None:
    assert NAMES.name(number) == name


@given(st.lists(st.integers(-1, 12), max_size=30))
def test_labels_are_the_names_of_the_rows(numbers: list[int]) -> None:
    rows = BoxRows(Path("gt.txt"))
    found = NAMES.labels(np.array(numbers, np.int64), rows, "gt.txt", "3=bus")
    wanted = [NAMES.name(number) for number in numbers]
    assert (found if isinstance(found, list) else [found] * len(numbers)) == wanted
    assert isinstance(found, str) == (len(set(wanted)) == 1)
    assert bool(rows.notes) == any(number not in (-1, 1, 2) for number in numbers)


def test_unnamed_numbers_are_told_once_with_their_boxes() -> None:
    rows = BoxRows(Path("gt.txt"))
    NAMES.labels(np.array([7, 3, 1, 7, -1]), rows, "s/gt.txt", "3=bus,7=tram")
    (note,) = rows.notes
    assert (note.code, note.where, note.severity) == ("unnamed-classes", "s/gt.txt", "warning")
    assert note.message == "classes without a name: 3 (1 boxes), 7 (2 boxes), called class_3 and so on"
    assert note.fix == "say what they are: --classes 3=bus,7=tram"


def test_names_are_told_by_number_or_by_another_name() -> None:
    assert told_names(None) == ({}, {})
    assert told_names({"3": "bus", "car": "auto", "²": "two", "-1": "none"}) == (
        {3: "bus"}, {"car": "auto", "²": "two", "-1": "none"}
    )  # fmt: skip
