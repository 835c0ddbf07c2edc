"""People who are made up: within the picture, never half on one another, and where they are painted."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lapsdata.errors import SchemaError, StorageError
from lapsdata.testing.made_up_tracks import made_up_tracks, paint_tracks, write_painted
from tests.metrics.tracks_plainly import plain_overlap

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from lapsdata.containers import Boxes


def sides(boxes: Boxes) -> NDArray[np.float64]:
    return boxes.xywh


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 16), st.integers(10, 60))
def test_people_are_in_the_picture_and_apart(seed: int, people: int, frames: int) -> None:
    truth = made_up_tracks(sequences=1, frames=frames, people=people, seed=seed)
    place = sides(truth)
    assert (place[:, :2] >= -0.5).all()
    assert (place[:, :2] + place[:, 2:] <= [639.5, 359.5]).all()
    assert (place[:, 2:] >= 4).all()
    assert set(truth.id.tolist()) == set(range(1, people + 1))
    for frame in range(0, frames, 11):
        here = place[truth.frame == frame].tolist()
        assert all(plain_overlap(one, other) < 0.4 for one, other in combinations(here, 2))


def test_a_person_walks_without_leaps() -> None:
    truth = made_up_tracks(sequences=1, frames=100)
    for number in range(1, 7):
        own = truth.id == number
        assert (np.diff(truth.frame[own]) == 1).all()
        assert np.abs(np.diff(truth.x[own])).max() <= 20
        assert np.ptp(truth.x[own]) > 60
        assert np.ptp(truth.y[own]) == 1
        # Whole pixels in the texts of MOTChallenge, as people annotate them.
        assert set(np.unique(truth.x[own] % 1)) == {0.5}


def test_a_sequence_is_the_same_whatever_stands_beside_it() -> None:
    one, three = (made_up_tracks(sequences=count, frames=20) for count in (1, 3))
    first = three.sequence_index == 0
    assert (sides(three)[first] == sides(one)).all()
    assert [sequence.name for sequence in three.header.sequences] == ["walk_1", "walk_2", "walk_3"]
    assert not np.array_equal(sides(three)[three.sequence_index == 1][:50], sides(one)[:50])
    assert not made_up_tracks(sequences=1, frames=20, seed=1).equals(one)
    assert made_up_tracks(sequences=1, frames=20).equals(one)


@pytest.mark.parametrize(
    ("told", "message"),
    [
        ({"sequences": 0}, "sequences: expected a whole number from 1 to 1000, got 0"),
        ({"frames": 9}, "frames: expected a whole number from 10 to 999999, got 9"),
        ({"people": 17}, "people: expected a whole number from 1 to 16, got 17"),
    ],
)
def test_other_numbers_are_refused(told: dict[str, int], message: str) -> None:
    with pytest.raises(SchemaError, match=message):
        made_up_tracks(**told)


def test_people_are_painted_in_their_boxes_and_nowhere_else() -> None:
    truth = made_up_tracks(sequences=1, frames=40, people=4)
    for frame in (0, 20, 39):
        picture = paint_tracks(truth, "walk_1", frame)
        inside = np.zeros(picture.shape[:2], bool)
        here = np.flatnonzero(truth.frame == frame)
        for x, y, w, h in (sides(truth)[here] + [0.5, 0.5, 0, 0]).astype(int).tolist():
            inside[y : y + h, x : x + w] = True
            # Some of each body is seen.
            assert picture[y : y + h, x : x + w].std() > 10
        # What is outside of all boxes is street and sky, of few colours.
        outside = picture[~inside]
        assert len(here) >= 2
        assert (outside.max(axis=1).astype(int) - outside.min(axis=1) <= 25).all()


def test_whoever_is_nearer_hides_others() -> None:
    truth = made_up_tracks(sequences=1, frames=40)
    for frame in range(40):
        rows = np.flatnonzero(truth.frame == frame)
        assert (np.diff(truth.y[rows] + truth.h[rows]) > 0).all()


def test_pictures_are_written_by_their_numbers(tmp_path: Path) -> None:
    truth = made_up_tracks(sequences=2, frames=10)
    assert write_painted(tmp_path, truth) == 20
    for name in ("walk_1", "walk_2"):
        paths = sorted((tmp_path / name / "img1").iterdir())
        assert [path.name for path in paths] == [f"{number:06d}.jpg" for number in range(1, 11)]
        read = cv2.imread(str(paths[6]))
        assert read is not None
        assert np.abs(read[..., ::-1].astype(int) - paint_tracks(truth, name, 6)).mean() < 4


def test_what_cannot_be_painted_or_written_is_said(tmp_path: Path) -> None:
    truth = made_up_tracks(sequences=1, frames=10)
    with pytest.raises(SchemaError, match="expected a frame of walk_1, got 10 of 'walk_1'"):
        paint_tracks(truth, "walk_1", 10)
    with pytest.raises(SchemaError, match="got 0 of 'walk_2'"):
        paint_tracks(truth, "walk_2", 0)
    (tmp_path / "walk_1").write_text("a file")
    with pytest.raises(StorageError, match="walk_1"):
        write_painted(tmp_path, truth)
