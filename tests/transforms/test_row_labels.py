"""Labels of rows: the window that begins with a row, and none where there is no such window."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lapsdata.containers import Tokens
from lapsdata.errors import LengthMismatchError
from lapsdata.testing.samples import sample_tokens
from lapsdata.transforms.row_labels import label_rows

if TYPE_CHECKING:
    from numpy.typing import NDArray

HORIZON = sample_tokens(windows=1).header.horizon


def tokens_at(starts: list[int], frame_s: NDArray[np.float64]) -> Tokens:
    """Return tokens whose windows begin at some frames; each code is told by the window's start."""
    header = sample_tokens(windows=1).header.model_copy(update={"rate": None})
    codes = (np.array(starts, np.int32)[:, None] + np.arange(header.length, dtype=np.int32)) % header.tokenizer.codes
    return Tokens(header, codes.astype(np.int32), np.array(starts, np.int64), frame_s)


@given(
    rows=st.integers(HORIZON, 14),
    kept=st.lists(st.booleans(), min_size=14, max_size=14),
    jitter=st.floats(-0.02, 0.02),
    hold=st.booleans(),
)
def test_each_row_has_the_codes_of_the_window_that_begins_with_it(
    rows: int, kept: list[bool], jitter: float, hold: bool
) -> None:
    frame_s = np.arange(rows) / 10 + 3
    starts = [at for at in range(rows - HORIZON + 1) if kept[at]] or [0]
    tokens = tokens_at(starts, frame_s)
    found = label_rows(tokens, frame_s + jitter, hold=hold)
    by_start = dict(zip(starts, tokens.codes.tolist(), strict=True))
    for row in range(rows):
        wanted = by_start.get(row)
        if row > rows - HORIZON and hold:
            wanted = by_start.get(rows - HORIZON)
        assert found.null[row] == (wanted is None)
        assert found.codes[row].tolist() == (wanted or [0] * tokens.header.length)
    assert found.beside == 0
    assert found.held == (HORIZON - 1 if hold and rows - HORIZON in by_start else 0)


def test_the_last_rows_have_no_label() -> None:
    frame_s = np.arange(9) / 10
    found = label_rows(tokens_at(list(range(9 - HORIZON + 1)), frame_s), frame_s)
    assert np.flatnonzero(found.null).tolist() == list(range(9 - HORIZON + 1, 9))
    assert found.codes.dtype == np.int64


def test_a_window_of_frames_that_no_row_has_labels_nothing() -> None:
    frame_s = np.arange(12) / 10
    row_s = np.delete(frame_s, 6)
    starts = list(range(12 - HORIZON + 1))
    found = label_rows(tokens_at(starts, frame_s), row_s)
    whole = [at for at in starts if not at <= 6 < at + HORIZON]
    assert found.beside == len(starts) - len(whole)
    assert np.flatnonzero(~found.null).tolist() == [at if at < 6 else at - 1 for at in whole]


def test_a_frame_of_two_rows_leaves_both_without_a_window() -> None:
    frame_s = np.arange(10) / 10
    row_s = np.sort(np.append(frame_s, 0.5))
    found = label_rows(tokens_at(list(range(10 - HORIZON + 1)), frame_s), row_s)
    assert found.beside == HORIZON - 1
    assert int((~found.null).sum()) == 10 - HORIZON + 1 - found.beside


def test_half_a_period_beside_is_too_far() -> None:
    frame_s = np.arange(10) / 10
    found = label_rows(tokens_at([0, 1, 2], frame_s), frame_s + 0.05)
    assert found.null.all()
    assert found.beside == 3


@pytest.mark.parametrize("row_s", [[], [0.0, 0.2, 0.1]])
def test_times_that_fall_are_refused(row_s: list[float]) -> None:
    with pytest.raises(LengthMismatchError, match=r"row_s: expected times of rows that do not fall, got \d \[not-ris"):
        label_rows(tokens_at([0], np.arange(10) / 10), np.array(row_s))
