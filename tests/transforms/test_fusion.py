"""Energies of several supports made one: scales, times and states, against the same said plainly."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lapsdata.containers import Energies
from lapsdata.errors import SchemaError
from lapsdata.segmenters import otsu_threshold, smooth
from lapsdata.testing.samples import sample_energies
from lapsdata.transforms.fusion import EnergyScale, FuseOptions, energy_scale, fuse_energies, told_scales

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

PLAIN, LOGS = FuseOptions(how="zmean"), FuseOptions(how="zlogmean")
BETWEEN = FuseOptions(how="zmean", times="interpolate")


def made(
    *videos: Sequence[float | str], hop_s: float = 1.0, first_s: float = 0.0, names: str = "ab", **header: Any
) -> Energies:
    """Return step energies; `g` is gated, `m` missing."""
    flat = [value for values in videos for value in values]
    counts = [len(values) for values in videos]
    index = np.concatenate([np.arange(count) for count in counts])
    energy = np.array([np.nan if isinstance(value, str) else value for value in flat], np.float64)
    state = np.array(["gm".find(value) + 1 if isinstance(value, str) else 0 for value in flat], np.uint8)
    told = {"videos": tuple(names[: len(videos)]), "hop_s": hop_s, "support_s": hop_s, **header}
    start = first_s + index * hop_s
    return Energies(
        sample_energies().header.model_copy(update=told),
        np.repeat(np.arange(len(videos)), counts),
        index,
        start,
        start + hop_s,
        energy,
        state,
    )


def scores(energies: Energies) -> NDArray[np.float64]:
    known = energies.energy[energies.state == 0]
    return (energies.energy - known.mean()) / known.std()


def test_the_mean_of_z_scores() -> None:
    one, two = made([1, 2, 6], [3, 0]), made([10, 0, 0], [5, 30], mode="other")
    fused = fuse_energies([one, two], PLAIN)
    np.testing.assert_allclose(fused.energy, (scores(one) + scores(two)) / 2)
    assert (fused.header.source, fused.header.videos) == ("fused", ("a", "b"))
    assert fused.header.mode == "zmean of velocity velocity_step 1 s, velocity other 1 s"
    assert fused.header.policies == {"fuse_interpolated": 0, "fuse_taken_for_lowest": 0, "fuse_not_in_all": 0}


def test_logarithms_give_energies_above_nothing() -> None:
    one, two = made([1, 2, 6, 3]), made([10, 0, 0.5, 5], mode="other")
    fused = fuse_energies([one, two], LOGS)
    logs = [replace(one, energy=np.log(one.energy)), replace(two, energy=np.log([10, 0.5, 0.5, 5]))]
    np.testing.assert_allclose(np.log(fused.energy), np.mean([scores(part) for part in logs], axis=0))
    assert fused.header.policies["fuse_taken_for_lowest"] == 1
    assert (fused.energy > 0).all()


@given(st.floats(0.01, 100), st.floats(-50, 50))
def test_the_unit_of_a_part_does_not_count(times: float, plus: float) -> None:
    one, two = made([1, 2, 6, 3, 3.5]), made([10, 1, 0.5, 5, 3], mode="other")
    other = replace(two, energy=two.energy * times + plus)
    expected = fuse_energies([one, two], PLAIN).energy
    np.testing.assert_allclose(fuse_energies([one, other], PLAIN).energy, expected, atol=1e-6)
    scaled = replace(two, energy=two.energy * times)
    expected = fuse_energies([one, two], LOGS).energy
    np.testing.assert_allclose(fuse_energies([one, scaled], LOGS).energy, expected, atol=1e-6)


def test_one_file_twice_is_itself_on_its_scale() -> None:
    one = made([1, 2, 6, 3])
    np.testing.assert_allclose(fuse_energies([one, one], PLAIN).energy, scores(one))


def test_a_row_is_measured_where_all_are() -> None:
    one = made(["g", 1.0, "m", 3.0, "g", 2.0])
    two = made(["g", "g", 1.0, 2.0, "m", 5.0], mode="other")
    fused = fuse_energies([one, two], PLAIN)
    assert fused.state.tolist() == [1, 1, 2, 0, 2, 0]
    assert np.isnan(fused.energy).tolist() == [True, True, True, False, True, False]
    assert fused.header.policies["fuse_not_in_all"] == 1


def test_scales_of_train_videos_hold_for_others() -> None:
    train = [made([1, 2, 6, 0]), made([10, 3, 4, 5], mode="other")]
    test = [made([4, 4, 8], names="c"), made([5, 9, 4], names="c", mode="other")]
    for options in (PLAIN, LOGS):
        how, scales = told_scales(fuse_energies(train, options), "train.jsonl")
        assert how == options.how
        assert list(scales) == [energy_scale(part, options.how) for part in train]
        fused = fuse_energies(test, options, scales=scales)
        values = [part.energy if options is PLAIN else np.log(part.energy) for part in test]
        mean = np.mean([(v - s.mean) / s.sd for v, s in zip(values, scales, strict=True)], axis=0)
        np.testing.assert_allclose(fused.energy, mean if options is PLAIN else np.exp(mean))
        again = fuse_energies(train, options, scales=scales)
        np.testing.assert_array_equal(again.energy, fuse_energies(train, options).energy)


def test_values_below_all_of_train_are_taken_for_its_lowest_and_counted() -> None:
    scales = [
        EnergyScale(what=f"velocity {mode} 1 s", mean=0.0, sd=1.0, lowest=0.5) for mode in ("velocity_step", "other")
    ]
    fused = fuse_energies([made([0.25, 1.0]), made([0.0, 2.0], mode="other")], LOGS, scales=scales)
    np.testing.assert_allclose(fused.energy, [0.5, np.sqrt(2.0)])
    assert fused.header.policies["fuse_taken_for_lowest"] == 2


def test_other_times_are_refused_unless_a_policy_is_named() -> None:
    one, two = made([0, 1, 2, 3, 4]), made([0, 3, 6], hop_s=2.0)
    with pytest.raises(SchemaError, match=r"expected the times of .* in 'a' \(5 rows every 1 s\), got others \(3 rows"):
        fuse_energies([one, two], PLAIN)
    fused = fuse_energies([one, two], BETWEEN)
    between = made(["m", 0.75, 2.25, 3.75, 5.25], support_s=2.0)
    scale = energy_scale(two, "zmean")
    np.testing.assert_allclose(fused.energy, (scores(one) + (between.energy - scale.mean) / scale.sd) / 2)
    assert fused.state.tolist() == [2, 0, 0, 0, 0]
    assert fused.header.policies == {"fuse_interpolated": 4, "fuse_taken_for_lowest": 0, "fuse_not_in_all": 1}
    assert (fused.header.support_s, fused.header.hop_s) == (4.0, 1.0)


def test_no_value_is_made_up_over_missing_or_gated_ones() -> None:
    one = made([0, 1, 2, 3, 4, 5, 6])
    two = made([0, 1, "g", 3, "m", 5, 6], first_s=0.25)
    assert fuse_energies([one, two], BETWEEN).state.tolist() == [2, 0, 1, 1, 2, 2, 0]
    holed = made([0, 1, 2, 3, 4, 5, 6], first_s=0.25)
    kept = np.array([0, 1, 4, 5, 6])
    rows = {
        name: getattr(holed, name)[kept] for name in ("video_index", "index", "start_s", "end_s", "energy", "state")
    }
    assert fuse_energies([one, replace(holed, **rows)], BETWEEN).state.tolist() == [2, 0, 2, 2, 2, 0, 0]
    assert fuse_energies([one, made(["m"] * 7 + [1, 2], first_s=0.25)], BETWEEN).state.tolist() == [2] * 7


def test_equal_times_of_part_of_the_rows_are_no_interpolation() -> None:
    one, two = made([0, 1, 2, 3, 4]), made([1, 5, 3], first_s=1.0)
    fused = fuse_energies([one, two], BETWEEN)
    assert fused.state.tolist() == [2, 0, 0, 0, 2]
    assert fused.header.policies["fuse_interpolated"] == 0
    assert fused.header.support_s == 1.0


def test_videos_are_found_by_name_and_not_by_place() -> None:
    one, two = made([1, 2], [3, 5], names="ab"), made([30, 50], [10, 20], names="ba")
    np.testing.assert_allclose(fuse_energies([one, two], PLAIN).energy, scores(one))


WRONG: dict[str, tuple[list[Energies], str]] = {
    "one alone": ([made([1, 2])], r"expected two or more energies to make one of, got 1 \[too-few\]"),
    "other videos": ([made([1, 2]), made([1, 2], names="x")], r"others: 'a', 'x' in one alone.*\[other-videos\]"),
    "constant": ([made([1, 2]), made([3, 3])], r"expected measured energies that differ, got 2 that do not"),
    "nothing": ([made([1, 2]), made(["g", "m"])], r"got 0 that do not; leave this part out \[constant-energy\]"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_cannot_be_made_one_is_refused(case: str) -> None:
    parts, match = WRONG[case]
    with pytest.raises(SchemaError, match=match):
        fuse_energies(parts, PLAIN)


def test_energies_without_any_logarithm_are_refused() -> None:
    with pytest.raises(
        SchemaError, match=r"which have a logarithm, got none in 3 rows; fuse by zmean \[no-logarithm\]"
    ):
        fuse_energies([made([1, 2, 3]), made([0, -1, -2])], LOGS)


def test_scales_of_other_energies_are_refused() -> None:
    one, two = made([1, 2, 6]), made([1, 5, 3], mode="other")
    _, scales = told_scales(fuse_energies([one, two], PLAIN), "train")
    with pytest.raises(SchemaError, match=r"expected scales of velocity other 1 s, velocity velocity_step 1 s, got"):
        fuse_energies([two, one], PLAIN, scales=scales)
    with pytest.raises(SchemaError, match=r"train\.jsonl: expected energies that were fused, got velocity .*not-fused"):
        told_scales(one, "train.jsonl")


def test_what_is_known_of_all_parts_stays_known() -> None:
    digest = "sha256:" + "0" * 64
    one, two = made([1, 2, 6], motion="raw"), made([1, 5, 3], motion="raw", tokenizer=digest, support_s=3.0)
    header = fuse_energies([one, two], PLAIN).header
    assert (header.tokenizer, header.motion, header.support_s) == (digest, "raw", 3.0)
    other = made([1, 5, 3], motion="residual", tokenizer="sha256:" + "1" * 64)
    header = fuse_energies([one, two, other], PLAIN).header
    assert (header.tokenizer, header.motion) == (None, None)


def test_many_parts_have_a_name_as_well() -> None:
    parts = [made([1, 2, 6], mode=f"mode_{number}") for number in range(12)]
    mode = fuse_energies(parts, PLAIN).header.mode
    assert mode.startswith("zmean of 12 energies, sha256 ")
    assert mode != fuse_energies(parts[::-1], PLAIN).header.mode
    assert fuse_energies(parts, PLAIN).header.checked() == fuse_energies(parts, PLAIN).header


def test_smoothed_energies_are_another_support() -> None:
    raw = sample_energies(steps=40)
    fused = fuse_energies([raw, smooth(raw, "moving_average", 0.5)], LOGS)
    assert "moving_average 0.5 s" in fused.header.mode
    np.testing.assert_array_equal(fused.state, raw.state)
    assert otsu_threshold(fused).problems == ()


def test_otsu_on_logarithms_of_z_scores_is_told() -> None:
    raw = sample_energies(steps=40)
    fused = fuse_energies([raw, smooth(raw, "ema", 0.5)], PLAIN)
    (problem,) = otsu_threshold(fused).problems
    assert (problem.code, problem.severity) == ("negative-energies", "warning")
    assert "otsu-linear" in str(problem)
    assert otsu_threshold(fused, scale="linear").problems == ()
