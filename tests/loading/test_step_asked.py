"""What is asked of robot steps and is of another kind than it should be: told in words, before anything is read."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import lapsdata
from lapsdata.errors import LapsError, SchemaError
from lapsdata.loading import Mixture, StepDataset
from lapsdata.loading._step_options import row_offsets
from lapsdata.testing.episode_sets import write_lerobot
from lapsdata.timebase import FrameRate

if TYPE_CHECKING:
    from pathlib import Path

NORMALISED: dict[str, Any] = {"normalize": {"action": "min_max"}}
RANGE = {"action": {"min": [0] * 3, "max": [1] * 3}}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_lerobot(tmp_path_factory.mktemp("asked") / "set", lengths=(3, 4))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"episodes": 0}, r"^episodes: expected a list of numbers of episodes, got 0 "),
        ({"episodes": 1.5}, r"^episodes: expected a list of numbers of episodes, got 1\.5 "),
        (
            {"delta_timestamps": [0]},
            r"^delta_timestamps: expected a dict by field, got \[0\]; as \{'action'",
        ),
        ({"normalize": "mean_std"}, r"^normalize: expected a dict by field, got 'mean_std'; as \{'action': 'mean_std'"),
        ({"normalize": ["action"]}, r"^normalize: expected a dict by field, got \['action'\]"),
        ({**NORMALISED, "stats": True}, r"^stats: expected a dict by field, got True; as meta\.stats .* or 'rows'"),
        ({**NORMALISED, "stats": "row"}, r"^stats: expected a dict by field, got 'row'; .* or 'rows'"),
        (
            {**NORMALISED, "stats": {"action": 3}},
            r"^stats: action: expected numbers by kind, or FeatureStats, got 3;",
        ),
        ({**NORMALISED, "stats": {"action": {"min": "x"}}}, r"^stats: action: min: expected numbers, got 'x'"),
        (
            {**NORMALISED, "stats": {"action": {"min": [[1], [2, 3]]}}},
            r"^stats: action: min: expected numbers, got",
        ),
        ({**NORMALISED, "stats": RANGE, "clip": "yes"}, r"^clip: expected True or False, got 'yes'"),
        ({"strict": "no"}, r"^strict: expected True or False, got 'no'"),
        (
            {"rotations": ["a"]},
            r"^rotations: expected a dict by field, got \['a'\]; as \{'state\.hand",
        ),
        ({"relative": "a"}, r"^relative: expected a dict by field, got 'a'"),
        ({"relative": {"action": 3}}, r"^relative: action: expected a name, got 3"),
        ({"relative": {"action": ["x"]}}, r"^relative: action: expected a name, got \['x'\]"),
        ({"fields": [["action"]]}, r"^fields: expected names, got \['action'\] among them"),
        ({"tolerance_s": "0.1"}, r"^tolerance_s: expected seconds from 0 on, got '0\.1'"),
        ({"tolerance_s": -0.1}, r"^tolerance_s: expected seconds from 0 on, got -0\.1"),
        ({"tolerance_s": float("nan")}, r"^tolerance_s: expected seconds from 0 on, got nan"),
        ({"tolerance_s": True}, r"^tolerance_s: expected seconds from 0 on, got True"),
        ({"open_videos": 0}, r"^open_videos: expected a whole number from 1 on, got 0"),
        ({"cache_bytes": -1}, r"^cache_bytes: expected a whole number from 0 on, got -1"),
        ({"threads": "two"}, r"^threads: expected a whole number from 1 on, got 'two'"),
    ],
)
def test_options_of_another_kind(root: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises(SchemaError, match=message):
        lapsdata.open_steps(root, **options)


def test_all_that_is_wrong_is_told_at_once(root: Path) -> None:
    wrong: dict[str, Any] = {"normalize": 1, "relative": {"action": 2}, "clip": None}
    with pytest.raises(SchemaError, match=r"^3 problems:") as caught:
        lapsdata.open_steps(root, **wrong)
    assert {one.where for one in caught.value.problems} == {"normalize", "relative: action", "clip"}


ODD: st.SearchStrategy[Any] = st.one_of(
    st.none(), st.booleans(), st.integers(-2, 2), st.text(max_size=2), st.lists(st.integers(0, 1), max_size=2)
)
ASKED = (
    "episodes", "delta_timestamps", "fields", "image_type", "pixels", "normalize", "stats", "clip", "rotations",
    "relative", "transform", "tolerance_s", "open_videos", "cache_bytes", "threads", "strict",
)  # fmt: skip


@given(st.dictionaries(st.sampled_from(ASKED), ODD | st.dictionaries(st.just("action"), ODD, min_size=1), max_size=3))
def test_whatever_is_asked_is_opened_or_refused_in_words(root: Path, options: dict[str, Any]) -> None:
    try:
        steps = lapsdata.open_steps(root, **options)
    except LapsError as error:
        words = [problem.message for problem in error.problems]
    else:
        words = ["expected"] if len(steps) in (3, 4, 7) else []
    assert words
    assert all("expected" in message for message in words)


def test_buffers_and_fields_of_another_kind(root: Path) -> None:
    steps: Any = lapsdata.open_steps(root)
    with pytest.raises(SchemaError, match=r"^out: expected buffers by field, got 3"):
        steps.gather([0], out=3)
    with pytest.raises(SchemaError, match=r"^fields: expected names, got 3 among them"):
        steps.gather([0], fields=[3])
    with pytest.raises(SchemaError, match=r"^episodes: expected a list of numbers of episodes, got 0"):
        steps.subset(episodes=0)
    assert isinstance(steps.subset(episodes=[0]), StepDataset)
    with pytest.raises(SchemaError, match=r"^out: expected buffers by field, got \[\]"):
        Mixture({"one": steps}).gather(np.array([0]), out=[])  # type: ignore[arg-type]  # that is what is tested


@pytest.mark.parametrize(
    "times",
    [
        [0, 0.1, 0.3],
        (0, 0.1, Fraction(3, 10)),
        np.array([0, 0.1, 0.3], np.float32),
        torch.tensor([0, 0.1, 0.3]),
        torch.tensor([0, 0.1, 0.3], dtype=torch.float64),
        torch.arange(4)[torch.tensor([0, 1, 3])] * 0.1,
    ],
)
def test_times_may_be_a_list_an_array_or_a_tensor(root: Path, times: Any) -> None:
    steps = lapsdata.open_steps(root, {"action": times})
    assert steps.specification.delta_timestamps == {"action": (0.0, 0.1, 0.3)}
    assert steps.specification.digest == lapsdata.open_steps(root, {"action": [0, 0.1, 0.3]}).specification.digest


@pytest.mark.parametrize(
    "times",
    [
        torch.tensor([[0.0]]), torch.tensor(0.0), torch.tensor([0.0], requires_grad=True), torch.tensor([True]),
        np.zeros((1, 1)), {0.0}, {"a": 0}, [[0], [0, 1]], [None], ["0"], b"0", [True], 0, [float("inf")],
    ],
)  # fmt: skip
def test_what_is_no_list_of_times(times: Any) -> None:
    with pytest.raises(SchemaError, match=r"^delta_timestamps: action: expected a list of finite seconds, got "):
        row_offsets({"action": times}, ["action"], FrameRate(10))
