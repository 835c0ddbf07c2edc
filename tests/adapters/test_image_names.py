"""Names of images: what they say of sequences and frames, against names that are put together here."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lapsdata.adapters._image_names import (
    ImageName,
    NumberedName,
    frame_spans,
    image_name,
    number_in,
    pattern_of,
    sequence_names,
    spelling_of,
    split_pattern,
)

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


@pytest.mark.parametrize(
    ("name", "number"),
    [
        ("000001.jpg", ("", "000001", "", ".jpg")),
        ("frame_12_left.png", ("frame_", "12", "_left", ".png")),
        ("v_1Lw_c006.0007.jpeg", ("v_1Lw_c006.", "0007", "", ".jpeg")),
        ("image2", ("image", "2", "", "")),
        ("a.7", ("a", None, "", ".7")),
        ("zebra.jpg", None),
        # No digits of this alphabet.
        ("٣.jpg", None),
    ],
)
def test_the_last_number_of_a_name(name: str, number: tuple[Any, ...] | None) -> None:
    expected = None if number is None or number[1] is None else number
    assert number_in(name) == expected


@pytest.mark.parametrize(
    ("names", "pattern"),
    [
        (["000001.jpg", "000010.jpg"], "{frame:06d}.jpg"),
        (["f_1.jpg", "f_10.jpg"], "f_{frame:d}.jpg"),
        (["08.jpg", "100.jpg"], "{frame:02d}.jpg"),
        (["100.jpg", "999.jpg"], "{frame:03d}.jpg"),
        (["98.jpg", "100.jpg"], "{frame:d}.jpg"),
        (["0.jpg", "1.jpg"], "{frame:d}.jpg"),
        (["a{1}.jpg", "a{2}.jpg"], "a{{{frame:d}}}.jpg"),
        (["1.jpg", "02.jpg"], None),
        (["1.jpg", "2.png"], None),
        (["a1.jpg", "b2.jpg"], None),
        (["001.jpg", "0002.jpg"], None),
    ],
)
def test_the_pattern_of_names(names: list[str], pattern: str | None) -> None:
    found = [number_in(name) for name in names]
    told = [one for one in found if one is not None]
    assert pattern_of(told) == pattern
    if pattern is not None:
        assert [pattern.format(frame=int(one.digits)) for one in told] == names


@given(
    numbers=st.lists(st.integers(0, 99_999), min_size=1, unique=True),
    width=st.integers(0, 8),
    before=st.text("ab_{}-", max_size=4),
)
def test_a_pattern_spells_every_name(numbers: list[int], width: int, before: str) -> None:
    names = [NumberedName(before, f"{number:0{width}d}", "", ".jpg") for number in numbers]
    pattern = pattern_of(names)
    assert pattern is not None
    assert [pattern.format(frame=number) for number in numbers] == [f"{before}{one.digits}.jpg" for one in names]


@pytest.mark.parametrize(
    ("pattern", "parts"),
    [
        ("train/a/img1/{frame:06d}.jpg", ("train/a/img1/", "", 6, ".jpg")),
        ("f_{frame:d}", ("", "f_", 1, "")),
        ("a{{b}}/x{{1}}{frame:08d}.txt", ("a{{b}}/", "x{{1}}", 8, ".txt")),
        ("game.mp4", None),
        ("{frame:06d}/{frame:06d}.jpg", ("{frame:06d}/", "", 6, ".jpg")),
        ("{frame:x}.jpg", None),
    ],
)
def test_a_pattern_has_parts(pattern: str, parts: tuple[Any, ...] | None) -> None:
    assert split_pattern(pattern) == parts


FOLDERS = st.lists(st.lists(st.sampled_from("ABC"), min_size=1, max_size=3).map("/".join), max_size=6, unique=True)


@given(folders=FOLDERS)
def test_no_two_folders_have_one_name(folders: list[str]) -> None:
    names = sequence_names(folders, "x")
    assert set(names) == set(folders)
    assert len(set(names.values())) == len(folders)
