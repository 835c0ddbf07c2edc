from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from lapsdata.errors import SchemaError
from lapsdata.timebase import check_times, frame_end_s

times_of_any_spacing = hnp.arrays(np.float64, st.integers(0, 40), elements=st.floats(1e-4, 10)).map(np.cumsum)


@given(times_of_any_spacing)
def test_increasing_times_pass_untouched(times: np.ndarray[tuple[int], np.dtype[np.float64]]) -> None:
    assert check_times(times) is times


@pytest.mark.parametrize("dtype", [np.float32, np.int16, np.uint64])
def test_other_numbers_become_float64(dtype: type[np.generic]) -> None:
    checked = check_times(np.array([0, 1, 5], dtype=dtype))
    assert checked.dtype == np.float64
    assert checked.tolist() == [0.0, 1.0, 5.0]


def test_empty_and_negative_times_are_times() -> None:
    assert check_times(np.zeros(0)).shape == (0,)
    assert check_times([-0.5, 0.0]).tolist() == [-0.5, 0.0]


@given(st.data())
def test_the_first_offending_pair_is_named(data: st.DataObject) -> None:
    times = np.arange(data.draw(st.integers(2, 30)), dtype=np.float64)
    at = data.draw(st.integers(0, times.size - 2))
    times[at + 1 :] -= data.draw(st.integers(1, 3))  # moves the rest of the video back in time
    match = rf"expected increasing times, got {times[at]} s at frame {at} and {times[at + 1]} s at frame {at + 1} \(1 "
    with pytest.raises(SchemaError, match=match):
        check_times(times)


@pytest.mark.parametrize(
    ("times", "match"),
    [
        ([0.0, 0.1, 0.1], r"increasing times, got 0\.1 s at frame 1 and 0\.1 s at frame 2 .*\[not-increasing\]"),
        ([3.0, 2.0, 1.0], r"got 3\.0 s at frame 0 and 2\.0 s at frame 1 \(2 such places\)"),
        ([0.0, np.nan, 0.2, np.inf], r"finite times, got nan at frame 1 \(2 such frames\).*\[not-finite\]"),
        (np.zeros((2, 2)), r"expected shape \(F,\), got \(2, 2\) \[wrong-shape\]"),
        (0.5, r"expected shape \(F,\), got \(\) \[wrong-shape\]"),
        (["0.1"], r"real numbers \(seconds\), got <U3 \[wrong-dtype\]"),
        ([True], r"real numbers \(seconds\), got bool \[wrong-dtype\]"),
        ([1j], r"real numbers \(seconds\), got complex128 \[wrong-dtype\]"),
        (np.array(["2024-01-01"], dtype="datetime64[s]"), r"got datetime64\[s\] \[wrong-dtype\]"),
    ],
)
def test_check_times_refuses(times: object, match: str) -> None:
    with pytest.raises(SchemaError, match=match):
        check_times(times)  # type: ignore[arg-type]  # wrong kinds are what is tested


def test_all_problems_are_told_under_the_name_given() -> None:
    with pytest.raises(SchemaError, match="2 problems") as caught:
        check_times([0.2, 0.1, np.nan], where="clip.h5: frame_s")
    assert [(p.code, p.where) for p in caught.value.problems] == [
        ("not-finite", "clip.h5: frame_s"),
        ("not-increasing", "clip.h5: frame_s"),
    ]


def test_equal_times_pass_only_on_request() -> None:
    assert check_times([0.0, 0.1, 0.1], allow_equal=True).tolist() == [0.0, 0.1, 0.1]
    with pytest.raises(SchemaError, match=r"non-decreasing times, got 0\.1 s at frame 1 and 0\.0 s at frame 2"):
        check_times([0.0, 0.1, 0.0], allow_equal=True)


def test_infinite_neighbours_raise_an_error_and_no_warning() -> None:
    with pytest.raises(SchemaError, match=r"finite times, got -inf at frame 0 \(3 such frames\)"):
        check_times([-np.inf, 0.0, np.inf, np.inf])


@given(times_of_any_spacing.filter(lambda times: times.size >= 2))
def test_frames_end_where_the_next_begins(times: np.ndarray[tuple[int], np.dtype[np.float64]]) -> None:
    ends = frame_end_s(times)
    assert ends[:-1].tolist() == times[1:].tolist()
    gaps = sorted(np.diff(times).tolist())
    middle = (gaps[(len(gaps) - 1) // 2] + gaps[len(gaps) // 2]) / 2
    assert ends[-1] == pytest.approx(times[-1] + middle, rel=1e-12)
    assert (ends > times).all()
    assert frame_end_s(times, end_s=times[-1] + 7)[-1] == times[-1] + 7


def test_a_single_frame_needs_an_end() -> None:
    assert frame_end_s([2.0], end_s=2.5).tolist() == [2.5]
    with pytest.raises(SchemaError, match=r"two frames or an end, got one frame; give end_s \[no-duration\]"):
        frame_end_s([2.0])


def test_no_frames_have_no_ends() -> None:
    assert frame_end_s(np.zeros(0)).shape == (0,)


@pytest.mark.parametrize("end_s", [1.0, 0.5, np.nan, np.inf])
def test_the_end_lies_after_the_last_frame(end_s: float) -> None:
    with pytest.raises(SchemaError, match=rf"after the last frame \(1\.0 s\), got {end_s} s \[wrong-end\]"):
        frame_end_s([0.0, 1.0], end_s=end_s)


def test_a_mask_is_never_dropped() -> None:
    masked = np.ma.masked_array([0.0, 0.1, 99.0], mask=[False, False, True])
    message = r"^source_s: expected a plain array, got MaskedArray; drop the masked frames: \.compressed\(\) \[masked\]"
    with pytest.raises(SchemaError, match=message):
        check_times(masked, where="source_s")
    assert check_times(masked.compressed()).tolist() == [0.0, 0.1]
