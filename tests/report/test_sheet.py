"""Sheets: texts end where they say, nothing that is written is lost or leaves the sheet, pictures are kept as PNG."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lapsdata.geometry import FrameSize
from lapsdata.report._sheet import SIZE, SMALL, Sheet, note_lines, note_px, png_bytes, wrapped

words = st.lists(st.text("abcABC.:;", min_size=1, max_size=12), min_size=1, max_size=30).map(" ".join)


def columns(image: np.ndarray) -> list[int]:
    """First and last column that is not white."""
    inked = (image < 200).any(axis=(0, 2)).nonzero()[0]
    return [int(inked[0]), int(inked[-1])]


@given(words, st.integers(150, 2000), st.sampled_from([SIZE, SMALL]))
def test_no_word_is_lost_when_a_text_is_wrapped(text: str, width_px: int, size: float) -> None:
    lines = wrapped(text, width_px, size)
    assert "".join(" ".join(lines).split()) == "".join(text.split())
    # More room never makes more lines.
    assert len(wrapped(text, 2 * width_px, size)) <= len(lines)


@settings(max_examples=10)
@given(words)
def test_every_line_of_a_note_is_written_whole(note: str) -> None:
    lines = note_lines(note, 800)
    with Sheet(FrameSize(width=800, height=note_px(lines) + 40)) as sheet:
        ends = [sheet.say(line, 20, 20, weight="bold", fontsize=SIZE) for line in lines]
    assert max(ends) <= 780


def test_a_note_fills_the_width_and_ends_where_it_says() -> None:
    for note, lines in ((None, 0), ("SYNTHETIC", 1), ("SYNTHETIC " * 12, 3)):
        told = note_lines(note, 800)
        assert len(told) == lines
        with Sheet(FrameSize(width=800, height=200)) as sheet:
            sheet.note(told)
            image = sheet.image()
        assert int((image[:, 0] != 255).any(axis=-1).sum()) == note_px(told)
        assert (image[:, 0] == image[:, -1]).all()


@pytest.mark.parametrize("right", [False, True])
def test_a_text_tells_where_it_ends(right: bool) -> None:
    with Sheet(FrameSize(width=600, height=60)) as sheet:
        end = sheet.say("HHHH", 300, 40, right=right)
        first, last = columns(sheet.image())
    assert (first, last) == pytest.approx((end, 300) if right else (300, end), abs=5)


def test_a_text_that_is_too_long_is_cut_in_its_middle() -> None:
    with Sheet(FrameSize(width=600, height=60)) as sheet:
        assert sheet.say("first" + "w" * 200 + "last", 10, 40, within=300) <= 310
        assert columns(sheet.image())[1] <= 310


def test_entries_of_a_key_stand_in_the_room_they_have() -> None:
    looks: dict[str, Any] = {"facecolor": "#ee8866"}
    odd = "\x1f左$x^{$" + "W" * 90
    for within in (120, 300):
        with Sheet(FrameSize(width=600, height=60)) as sheet:
            sheet.key([(looks, odd)], 40, left=20, within=within)
            first, last = columns(sheet.image())
        assert first >= 20
        assert last <= 20 + within
    with Sheet(FrameSize(width=600, height=60)) as sheet:
        sheet.key([(looks, "one"), (looks, "two")], 40, right=500)
        image = sheet.image()
    assert columns(image)[1] == pytest.approx(500, abs=8)
    patch = (image == (0xEE, 0x88, 0x66)).all(axis=-1).any(axis=0)
    assert np.diff(patch.astype(int)).clip(0).sum() == 2


@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 2**32 - 1))
def test_a_picture_is_kept_to_the_last_bit(width: int, height: int, seed: int) -> None:
    image = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    read = cv2.imdecode(np.frombuffer(png_bytes(image), np.uint8), cv2.IMREAD_COLOR)
    assert read is not None
    np.testing.assert_array_equal(read[..., ::-1], image)


def test_a_sheet_is_white_and_as_large_as_it_was_asked_for() -> None:
    for size in (FrameSize(width=33, height=71), FrameSize(width=1440, height=543)):
        with Sheet(size) as sheet:
            image = sheet.image()
        assert image.shape == (*size.shape, 3)
        assert image.dtype == np.uint8
        assert (image == 255).all()
