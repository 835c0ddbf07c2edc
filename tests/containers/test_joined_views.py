"""Views of several files as one: nothing is lost, and nothing is counted twice."""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lapsdata.containers import LAYERS, Views
from lapsdata.containers.joined_views import joined_views
from lapsdata.errors import SchemaError
from lapsdata.schema import AgentSelection, CameraModel, PinholeLens, Size
from lapsdata.testing.samples import sample_provenance, sample_views
from lapsdata.testing.strategies import views as any_views


def cut(whole: Views, ends: list[int]) -> list[Views]:
    """Return the sets between some places, one after the other."""
    bounds = [0, *sorted({end for end in ends if 0 < end < whole.sets}), whole.sets]
    return [whole.take(range(first, last)) for first, last in itertools.pairwise(bounds)]


def is_named_once(whole: Views) -> bool:
    return len(set(zip(whole.split, whole.scenario, whole.frame.tolist(), strict=True))) == whole.sets


def with_selections(views: Views, **rules: AgentSelection) -> Views:
    return dataclasses.replace(views, header=views.header.model_copy(update={"selections": rules}))


@given(any_views(max_sets=3).filter(is_named_once), st.lists(st.integers(0, 3), max_size=3))
def test_what_is_cut_is_whole_again_when_it_is_joined(whole: Views, ends: list[int]) -> None:
    parts = cut(whole, ends)
    names = [f"{place}.h5" for place in range(len(parts))]
    again = joined_views(parts, names, whole.header.provenance)
    for name in ("split", "scenario", "agent", "camera"):
        assert getattr(again, name) == getattr(whole, name)
    for name in ("frame", "time_s", "set_stop", "cam2world"):
        assert np.array_equal(getattr(again, name), getattr(whole, name))
    assert [again.camera_model(view) for view in range(len(again))] == [
        whole.camera_model(view) for view in range(len(whole))
    ]
    for layer in LAYERS:
        assert again.present[layer].tolist() == whole.present[layer].tolist()
    for layer, view in whole.layers():
        assert np.array_equal(again.read(layer, view), whole.read(layer, view))


def test_pixels_are_told_by_the_file_that_they_lie_in() -> None:
    views = sample_views()
    both = joined_views([views.take([1]), views.take([0])], ["a", "b"], sample_provenance())
    assert [both.pixels.told("image", view) for view in range(3)] == [
        "image of view 2", "image of view 0", "image of view 1",
    ]  # fmt: skip


def test_other_cameras_are_added_and_equal_ones_are_one() -> None:
    views = sample_views()
    wide = CameraModel(
        kind="pinhole",
        size=Size(width=4, height=3),
        lens=PinholeLens(focal_px=(1.0, 1.0), centre_px=(1.5, 1.0)),
        depth="z",
    )
    first, second = views.take([0]), views.take([1])
    models = (wide, *views.header.cameras)
    other = dataclasses.replace(
        second, header=second.header.model_copy(update={"cameras": models}), model=np.ones(1, np.int64)
    )
    both = joined_views([first, other], ["a", "b"], sample_provenance())
    assert both.header.cameras == (*views.header.cameras, wide)
    assert both.model.tolist() == [0, 0, 0]


def test_what_policies_counted_is_added_up() -> None:
    first, second = cut(sample_views(), [1])
    parts = [
        dataclasses.replace(part, header=part.header.model_copy(update={"policies": counted}))
        for part, counted in ((first, {"pixels_sky": 3, "only_here": 1}), (second, {"pixels_sky": 4}))
    ]
    assert joined_views(parts, ["a", "b"], sample_provenance()).header.policies == {"pixels_sky": 7, "only_here": 1}


def test_a_set_that_is_in_two_files_is_told_with_both() -> None:
    views = sample_views()
    with pytest.raises(
        SchemaError,
        match=r"b\.h5: expected each set in one file, got 1 in a\.h5 too, the first train/2021_08_22_21_41_24, frame 69"
        r"; name one of the files",
    ):
        joined_views([views, views.take([0])], ["a.h5", "b.h5"], sample_provenance())


def test_equal_frames_of_other_splits_and_scenarios_are_other_sets() -> None:
    views = sample_views().take([0])
    moved = dataclasses.replace(views, scenario=("2022_01_01_00_00_00",))
    other = dataclasses.replace(views, split=("test",))
    assert joined_views([views, moved, other], ["a", "b", "c"], sample_provenance()).sets == 3


def test_agents_of_a_split_are_chosen_by_one_rule() -> None:
    first, second = cut(sample_views(), [1])
    two, four = AgentSelection(count=2), AgentSelection(count=4)
    fits = [with_selections(first, train=two), with_selections(second, validate=four)]
    assert joined_views(fits, ["a", "b"], sample_provenance()).header.selections == {"train": two, "validate": four}
    same = [with_selections(first, train=two), with_selections(second, train=two)]
    assert joined_views(same, ["a", "b"], sample_provenance()).header.selections == {"train": two}
    clash = [with_selections(first, train=two), with_selections(second, train=four)]
    with pytest.raises(SchemaError, match=r"b\.h5: expected one rule that chooses the agents of train, got"):
        joined_views(clash, ["a.h5", "b.h5"], sample_provenance())
