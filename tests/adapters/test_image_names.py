"""Names of images: what they say of sequences and frames, against names that are put together here."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lapsdata.adapters._image_names import ImageName, frame_spans, image_name, sequence_names, spelling_of

SAID = {
    "DanceTrack/train/dancetrack0001/img1/00000001.txt": (
        "DanceTrack/train/dancetrack0001",
        "img1/",
        "00000001",
        ".txt",
    ),
    "volleyball/test/test1/img1/000012": ("volleyball/test/test1", "img1/", "000012", ""),
    "img1/12.JPG": ("", "img1/", "12", ".JPG"),
    "seq/000001.png": ("seq", "", "000001", ".png"),
    "seq/img1/frame_0001.jpg": ("seq", "img1/frame_", "0001", ".jpg"),
    "seq/img1/img000001.jpg": ("seq", "img1/img", "000001", ".jpg"),
    "seq/v_ab1_c001-000012.jpeg": ("seq", "v_ab1_c001-", "000012", ".jpeg"),
    "0": ("", "", "0", ""),
    # An identity that ends with digits is no number; neither is one of more digits than a frame has.
    "crowdhuman/train_image/273271,c9db000d5146c15.txt": (
        "crowdhuman/train_image/273271,c9db000d5146c15",
        "",
        "",
        ".txt",
    ),
    "a/b1c2": ("a/b1c2", "", "", ""),
    "a/1234567890123": ("a/1234567890123", "", "", ""),
    "a/.12": ("a", ".", "12", ""),
    "": ("", "", "", ""),
}


@pytest.mark.parametrize("name", SAID)
def test_a_name_says_its_sequence_and_its_frame(name: str) -> None:
    found = image_name(name)
    assert found == ImageName(*SAID[name])
    assert found.number == int(SAID[name][2] or 0)
    # The pattern gives the name back.
    assert found.pattern.format(frame=found.number) == name


FOLDER = st.text(st.sampled_from("ab1{}_ "), min_size=1, max_size=4)


@given(
    folders=st.lists(FOLDER, max_size=3),
    before=st.sampled_from(["", "img1/", "img1/frame_", "im"]),
    numbers=st.sets(st.integers(0, 99_999), min_size=1, max_size=6),
    digits=st.integers(1, 8),
    ending=st.sampled_from(["", ".txt", ".jpg"]),
)
def test_a_pattern_spells_all_names_of_a_sequence(
    folders: list[str], before: str, numbers: set[int], digits: int, ending: str
) -> None:
    path = "/".join(folders)
    start = f"{path}/{before}" if path else before
    every = {number: image_name(f"{start}{number:0{digits}d}{ending}") for number in numbers}
    assert {name.number for name in every.values()} == numbers
    spelling = spelling_of(every.values())
    assert spelling is not None
    assert {name.path for name in every.values()} == {path}
    pattern = spelling.pattern(path)
    assert {pattern.format(frame=n) for n in numbers} == {f"{start}{n:0{digits}d}{ending}" for n in numbers}


def test_names_that_are_not_alike_have_no_spelling() -> None:
    for names in (["1", "02"], ["a/1.jpg", "a/2.png"], ["a/img1/1", "a/img1/f2"], ["a/010", "a/9"]):
        assert spelling_of(map(image_name, names)) is None
    assert spelling_of([image_name("a/099"), image_name("a/1000")]) == ("", 3, "")


def test_sequences_have_the_names_of_their_folders() -> None:
    assert sequence_names(["a/b/c", "a/d"], "x") == {"a/b/c": "c", "a/d": "d"}
    assert sequence_names(["", "c"], "x") == {"": "x", "c": "c"}
    assert sequence_names(["a/b/c", "d/b/c", "e/c"], "x") == {"a/b/c": "a.b.c", "d/b/c": "d.b.c", "e/c": "e.c"}
    assert sequence_names(["./a", "../b/"], "x") == {"./a": "a", "../b/": "b"}
    assert sequence_names([], "x") == {}


@given(frames=st.sets(st.integers(0, 60), min_size=1))
def test_spans_hold_the_frames_and_no_others(frames: set[int]) -> None:
    spans = frame_spans(np.array(sorted(frames)))
    assert {frame for first, stop in spans for frame in range(first, stop)} == frames
    assert all(before[1] < after[0] for before, after in pairwise(spans))
