"""The specification of samples as a record: scales there and back, and what its digest is of."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lapsdata.errors import SchemaError
from lapsdata.schema import FieldNormalisation, StepSpec
from lapsdata.schema.step_spec import NORMALISATIONS
from lapsdata.testing.samples import sample_step_spec

numbers = st.floats(-1e3, 1e3, allow_nan=False).map(lambda value: round(value, 3))


@given(
    mode=st.sampled_from(sorted(NORMALISATIONS)),
    low=st.lists(numbers, min_size=3, max_size=3),
    spread=st.lists(st.sampled_from([0.0, 0.25, 7.0]), min_size=3, max_size=3),
    values=st.lists(numbers, min_size=3, max_size=3),
)
def test_scales_are_finite_and_go_back(mode: Any, low: list[float], spread: list[float], values: list[float]) -> None:
    first, second = NORMALISATIONS[mode]
    high = spread if mode == "mean_std" else [one + more for one, more in zip(low, spread, strict=True)]
    told: dict[Any, tuple[float, ...]] = {first: tuple(low), second: tuple(high)}
    one = FieldNormalisation(mode=mode, shape=(3,), values=told)
    found = one.normalise(np.array(values))
    assert np.isfinite(found).all()
    assert one.centred_only == spread.count(0.0)
    for at in range(3):
        if not spread[at]:
            wanted = values[at] - low[at]
        elif mode == "mean_std":
            wanted = (values[at] - low[at]) / spread[at]
        else:
            wanted = 2 * (values[at] - low[at]) / (high[at] - low[at]) - 1
        assert found[at] == pytest.approx(wanted, abs=1e-6)
    np.testing.assert_allclose(one.denormalise(found), values, atol=1e-9)


def test_ends_of_a_range_go_to_one_and_nan_stays() -> None:
    told: dict[Any, tuple[float, ...]] = {"min": (-3.0,), "max": (5.0,)}
    one = FieldNormalisation(mode="min_max", shape=(1,), values=told)
    assert one.normalise(np.array([[-3], [5], [1]])).tolist() == [[-1], [1], [0]]
    assert np.isnan(one.normalise(np.array([np.nan]))).all()


def test_a_policys_output_comes_back_in_the_unit_of_the_data() -> None:
    spec = sample_step_spec()
    found = spec.denormalise("action", np.array([[[-1, 1], [0, 0.5]]], np.float32))
    assert found.dtype == np.float32
    assert found.tolist() == [[[0, 3], [1, 2.5]]]
    assert spec.denormalise("action", np.array([0, 1])).dtype == np.float32


@pytest.mark.parametrize(
    ("name", "values", "message"),
    [
        ("reward", np.zeros(2), r"specification: expected one of action, got 'reward'"),
        ("action", np.zeros(3), r"action: expected \(\.\.\., 2\), got \(3,\)"),
        ("action", np.array([1.7e308, 0]), None),
        ("action", np.array([3e38, 0], np.float32) * np.float32(1), None),
        ("action", np.array([6e4, 6e4], np.float16), None),
    ],
)
def test_outputs_that_are_none_of_the_field(name: str, values: Any, message: str | None) -> None:
    spec = sample_step_spec()
    if message is None:
        assert np.isfinite(spec.denormalise(name, values)).all()
        return
    with pytest.raises(SchemaError, match=message):
        spec.denormalise(name, values)


def test_an_output_beyond_its_type_is_refused() -> None:
    told: dict[Any, tuple[float, ...]] = {"mean": (0.0, 0.0), "std": (10.0, 10.0)}
    wide = FieldNormalisation(mode="mean_std", shape=(2,), values=told)
    spec = sample_step_spec().model_copy(update={"normalise": {"action": wide}})
    with pytest.raises(SchemaError, match=r"action: expected numbers that float32 can hold after scaling, got others"):
        spec.denormalise("action", np.array([1e38, 0], np.float32))


def test_a_digest_is_of_what_decides_samples() -> None:
    spec = sample_step_spec()
    maker = spec.provenance.model_copy(update={"version": "2"})
    known = spec.normalise["action"].model_copy(update={"stats_digest": "sha256:" + "1" * 64})
    same = spec.model_copy(update={"provenance": maker, "normalise": {"action": known}})
    assert same.to_bytes() != spec.to_bytes()
    assert same.digest == spec.digest
    assert spec.model_copy(update={"pixels": "rgb"}).digest != spec.digest
    assert StepSpec.parse(spec.to_bytes()) == spec
