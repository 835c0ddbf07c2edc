"""Where the images of a sequence lie, and what their names say of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from lapsdata.adapters._image_places import folder_of_images, folders_of_sequences, images_within, said_folder
from lapsdata.schema import BoxSequence, FrameRange

if TYPE_CHECKING:
    from pathlib import Path


def sequence(name: str, images: str | None) -> BoxSequence:
    return BoxSequence(name=name, length=3, annotated=(FrameRange(start=0, stop=3),), images=images)


@pytest.mark.parametrize(
    ("name", "images", "said", "above", "within"),
    [
        ("game1", None, None, None, None),
        ("game1", "img1/{frame:06d}.jpg", None, None, "img1/{frame:06d}.jpg"),
        ("game1", "{frame:06d}.jpg", None, None, "{frame:06d}.jpg"),
        ("game1", "test/game1/img1/{frame:06d}", "test/game1/img1", "test", "img1/{frame:06d}"),
        ("game1", "game1/{frame:06d}.jpg", "game1", "", "{frame:06d}.jpg"),
        ("test.game1", "a/test/game1/img1/{frame:d}", "a/test/game1/img1", "a", "img1/{frame:d}"),
        ("other", "test/game1/img1/{frame:06d}", "test/game1/img1", None, "test/game1/img1/{frame:06d}"),
        ("a{1}", "x/a{{1}}/img1/{frame:06d}", "x/a{1}/img1", "x", "img1/{frame:06d}"),
        ("game1", "game1.mp4", None, None, "game1.mp4"),
    ],
)
def test_names_of_images_say_where_their_sequence_lies(
    name: str, images: str | None, said: str | None, above: str | None, within: str | None
) -> None:
    one = sequence(name, images)
    assert said_folder(one) == said
    assert images_within(one) == (above, within)


def test_images_are_found_where_they_are_said_to_lie_or_in_the_one_folder_of_the_name(tmp_path: Path) -> None:
    here = tmp_path / "set" / "train" / "game1" / "img1"
    here.mkdir(parents=True)
    one = sequence("game1", "img1/{frame:06d}.jpg")
    for root in (tmp_path, tmp_path / "set", tmp_path / "set" / "train"):
        assert folder_of_images(one, root, single=False) == here
    assert folder_of_images(one, here.parent, single=True) == here
    assert folder_of_images(one, here.parent, single=False) is None
    assert folders_of_sequences(tmp_path) == [here.parent]
    other = tmp_path / "set" / "val" / "game1" / "img1"
    other.mkdir(parents=True)
    # Of two nobody knows which is meant, unless it is said.
    assert folder_of_images(one, tmp_path, single=False) is None
    assert folder_of_images(sequence("game1", "set/val/game1/img1/{frame:06d}"), tmp_path, single=False) == other
    assert folders_of_sequences(tmp_path) == [here.parent, other.parent]
