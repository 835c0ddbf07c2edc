"""Otsu's threshold against its definition, the counts beside it, and the warnings."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from lapsdata.containers import Segments
from lapsdata.errors import SchemaError
from lapsdata.schema import Tool
from lapsdata.segmenters import given_threshold, metronome_problems, otsu_threshold
from lapsdata.testing.samples import sample_energies, sample_segments

if TYPE_CHECKING:
    from lapsdata.containers import Energies
    from lapsdata.segmenters.thresholds import Scale


def energies(values: list[float], *, gated: int = 0, missing: int = 0) -> Energies:
    """Return energies of one video: the values, then gated rows, then missing ones."""
    made = sample_energies(steps=1)
    count = len(values) + gated + missing
    start = np.arange(count) / 8
    state = np.repeat(np.array([0, 1, 2], np.uint8), [len(values), gated, missing])
    return replace(
        made,
        video_index=np.zeros(count, np.int64),
        index=np.arange(count),
        start_s=start,
        end_s=start + 0.125,
        energy=np.concatenate([np.array(values, np.float64), np.full(gated + missing, np.nan)]),
        state=state,
    )


def within(values: np.ndarray[Any, np.dtype[np.float64]], threshold: float) -> float:
    """Return the variance within the two classes, as Otsu defines what is least."""
    parts = [values[values < threshold], values[values >= threshold]]
    return sum(float(((part - part.mean()) ** 2).sum()) for part in parts if len(part))


@pytest.mark.parametrize("scale", ["linear", "log"])
@given(values=st.lists(st.integers(1, 4000).map(lambda number: number / 64), min_size=2, max_size=30))
def test_no_other_place_leaves_less_variance_within(scale: Scale, values: list[float]) -> None:
    assume(len(set(values)) > 1)
    found = otsu_threshold(energies(values), scale=scale)
    on_scale = np.array(values) if scale == "linear" else np.log(values)
    value = found.value if scale == "linear" else math.log(found.value)
    edges = np.unique(on_scale)
    least = min(within(on_scale, float(edge)) for edge in edges[1:])
    assert within(on_scale, value) <= least + 1e-9 * (1 + float((on_scale**2).sum()))
    assert found.lowest < found.value <= found.highest


def test_the_threshold_is_in_the_middle_of_the_gap() -> None:
    values = [1.0, 1.25, 1.5, 8.0, 8.5]
    assert otsu_threshold(energies(values), scale="linear").value == (1.5 + 8.0) / 2
    assert otsu_threshold(energies(values)).value == pytest.approx(math.sqrt(1.5 * 8.0))


def test_rows_may_come_in_any_order_and_scale() -> None:
    random = np.random.default_rng(0)
    values = np.exp(np.concatenate([random.normal(-3, 1, 80), random.normal(2, 0.5, 40)]))
    found = otsu_threshold(energies(values.tolist()))
    assert otsu_threshold(energies(random.permutation(values).tolist())).value == pytest.approx(found.value)
    for scale in ("log", "linear"):
        here = otsu_threshold(energies(values.tolist()), scale=scale).value
        assert otsu_threshold(energies((values * 1024).tolist()), scale=scale).value == pytest.approx(here * 1024)


def test_neighbours_in_float64_are_parted() -> None:
    low = 1.0
    high = float(np.nextafter(low, 2))
    found = otsu_threshold(energies([low, high]), scale="linear")
    assert found.value == high
    assert found.above == 0.5


def test_large_equal_parts_do_not_drown_what_differs() -> None:
    random = np.random.default_rng(0)
    steps = np.concatenate([random.integers(0, 9, 3000), 40 + random.integers(0, 9, 30)]) / 8
    assert otsu_threshold(energies((1e15 + steps).tolist()), scale="linear").value == 1e15 + 3.0
    assert otsu_threshold(energies((1024 + steps).tolist()), scale="linear").value == 1024 + 3.0


def test_quiet_actions_are_above_the_threshold_of_logarithms_and_not_of_the_energies() -> None:
    """Rest, gentle motion and a few large ones: the large ones pull a linear threshold above the gentle."""
    values = [0.01] * 60 + [0.5] * 30 + [20.0] * 5
    assert otsu_threshold(energies(values)).value < 0.5
    assert otsu_threshold(energies(values), scale="linear").value > 0.5


def test_what_has_no_energy_takes_no_part_and_is_counted() -> None:
    values = [0.25, 0.5, 4.0, 8.0]
    found = otsu_threshold(energies(values, gated=100, missing=3))
    assert found.value == otsu_threshold(energies(values)).value
    assert found.counts == {"measured": 4, "gated": 100, "missing": 3, "not_positive": 0}
    assert (found.method, found.above) == ("otsu_log", 0.5)
    assert found.problems == ()


def test_what_has_no_logarithm_is_left_out_and_counted() -> None:
    values = [0.25, 0.5, 4.0, 8.0]
    found = otsu_threshold(energies([0.0, *values, -1.0, 0.0]))
    assert found.value == otsu_threshold(energies(values)).value
    assert found.counts["not_positive"] == 3
    assert (found.lowest, found.highest, found.above) == (-1.0, 8.0, 2 / 7)


def test_all_videos_are_pooled() -> None:
    made = sample_energies(steps=30)
    parts = made.energy[made.state == 0]
    assert otsu_threshold(made).value == otsu_threshold(energies(parts.tolist())).value


@pytest.mark.parametrize(
    ("values", "scale", "match"),
    [
        ([0.5] * 9, "log", r"expected positive energies that differ, got 1 positive value in 9 rows"),
        ([0.5] * 9, "linear", r"expected energies that differ, got 1 value in 9 rows"),
        ([0.0, 0.0, 0.5], "log", r"got 1 positive value in 3 rows"),
        ([0.0, -1.0], "log", r"got 0 positive value in 2 rows"),
        ([0.5], "linear", r"got 1 value in 1 rows; give a threshold, or look at the videos \[constant-energy\]"),
    ],
)
def test_constant_energies_are_an_error(values: list[float], scale: Scale, match: str) -> None:
    with pytest.raises(SchemaError, match=match):
        otsu_threshold(energies(values), scale=scale)


def test_energies_without_a_value_are_an_error() -> None:
    told = r"expected measured energies, got 7 rows \(0 measured, 5 gated, 2 missing\).*\[no-energy\]"
    with pytest.raises(SchemaError, match=told):
        otsu_threshold(energies([], gated=5, missing=2))
    with pytest.raises(SchemaError, match=told):
        given_threshold(0.5, energies([], gated=5, missing=2))
    with pytest.raises(SchemaError, match=r"got 0 rows"):
        otsu_threshold(energies([]))


def test_an_unknown_scale_is_an_error() -> None:
    unknown: Any = "sqrt"
    with pytest.raises(SchemaError, match=r"scale: expected one of \('log', 'linear'\), got 'sqrt' \[unknown-scale\]"):
        otsu_threshold(energies([1.0, 2.0]), scale=unknown)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_given_threshold_is_a_number(value: float) -> None:
    with pytest.raises(SchemaError, match=r"expected a finite number, got (nan|inf) \[wrong-threshold\]"):
        given_threshold(value, energies([1.0]))


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (0.0, "got 0: every measured value is loud, and only the clock ends a segment"),
        (1.0, "got 1: every measured value is loud, and only the clock ends a segment"),
        (1.5, None),
        (2.0, None),
        (2.5, "expected a threshold above 1 and up to 2, got 2.5: no value is loud"),
    ],
)
def test_a_threshold_outside_of_the_energies_is_told(value: float, told: str | None) -> None:
    found = given_threshold(value, energies([1.0, 1.5, 2.0]))
    assert (found.value, found.method) == (value, "given")
    assert [problem.code for problem in found.problems] == ([] if told is None else ["threshold-outside"])
    assert all(told is not None and told in problem.message for problem in found.problems)
    assert all(problem.severity == "warning" for problem in found.problems)


def test_fault_the_minimum_of_all_energies_as_a_threshold_is_told() -> None:
    """LAPS's search offered the lowest energy, which was the 0.0 of gated windows."""
    made = energies([0.0, 0.5, 2.0])
    (problem,) = given_threshold(float(np.nanmin(made.energy)), made).problems
    assert problem.code == "threshold-outside"


def test_a_metronome_is_told_with_its_share() -> None:
    made = sample_segments()
    clock = replace(made, end_reason=("max_duration", "max_duration", "end_of_stream"))
    (problem,) = metronome_problems(clock)
    assert (problem.code, problem.severity) == ("metronome", "warning")
    assert problem.message == "2 of 3 segments (67 %) end by max_duration, 0 by threshold"
    assert "raise the threshold or the duration" in str(problem)
    assert metronome_problems(clock, share=2 / 3) == ()
    assert metronome_problems(made) == ()


def segments(lasting: list[float], reasons: list[str], **tool: Any) -> Segments:
    made = sample_segments()
    edges = np.cumsum([0.0, *lasting])
    video = made.header.videos[0].model_copy(update={"end_s": float(edges[-1])})
    header = made.header.model_copy(
        update={"embedding": None, "videos": (video,), "segmenter": Tool(name="any", version="1", parameters=tool)}
    )
    return Segments(
        header,
        np.zeros(len(lasting), np.int64),
        edges[:-1],
        edges[1:],
        tuple(cast("Any", reasons)),
        (None,) * len(lasting),
    )


def test_equal_lengths_are_told_whatever_the_reasons() -> None:
    """LAPS's own 2.4 s, as another program wrote them."""
    (problem,) = metronome_problems(segments([2.4, 2.4, 1.0, 2.4004, 2.4, 0.7], ["annotation"] * 6))
    assert (problem.code, problem.severity) == ("equal-lengths", "warning")
    assert problem.message == "4 of 6 segments (67 %) last 2.4 s each"
    assert metronome_problems(segments([2.4, 2.4, 1.0, 2.5, 2.6, 0.7], ["annotation"] * 6)) == ()
    assert metronome_problems(segments([2.4, 2.4, 2.4], ["annotation"] * 3)) == ()


def test_no_stop_by_the_threshold_is_told() -> None:
    reasons = ["max_duration", "end_of_stream", "end_of_stream"]
    (problem,) = metronome_problems(segments([1.0, 2.0, 3.0], reasons, threshold=0.5))
    assert (problem.code, problem.severity) == ("no-threshold-stop", "warning")
    told = "none of 3 segments ends by the threshold: 1 by max_duration, 2 at the end of the video"
    assert problem.message == told
    for known in ("threshold", "annotation"):
        assert metronome_problems(segments([1.0, 2.0, 3.0], [known, *reasons[1:]], threshold=0.5)) == ()
    assert metronome_problems(segments([1.0, 2.0, 3.0], reasons, count=3)) == ()
    assert metronome_problems(segments([3.0], ["end_of_stream"], threshold=0.5)) == ()


def test_no_segments_are_no_metronome() -> None:
    made = sample_segments()
    none = replace(
        made,
        video_index=made.video_index[:0],
        start_s=made.start_s[:0],
        end_s=made.end_s[:0],
        end_reason=(),
        label=(),
        score=None,
        codes=None,
        embedding=np.zeros((0, 2), np.float32),
    )
    assert metronome_problems(none, share=0.0) == ()
