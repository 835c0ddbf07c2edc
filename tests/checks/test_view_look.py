"""How views are looked at: which splits, which adapter, and what is told where nothing can be looked at."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from lapsdata.adapters import Adapted, Adapter
from lapsdata.checks._view_numbers import numbers_of, view_named
from lapsdata.checks.view_stats import split_stats
from lapsdata.checks.views import ViewsLook, check_own_views, check_views
from lapsdata.containers import HeldPixels, Views
from lapsdata.errors import Problem, SchemaError, StorageError
from lapsdata.testing.samples import sample_tracks, sample_views

if TYPE_CHECKING:
    from collections.abc import Iterator


def adapter(container: Any = None, notes: tuple[Problem, ...] = (), **more: Any) -> Adapter:
    """Return an adapter of views as others may register one."""
    given = sample_views() if container is None else container
    return Adapter("cars", "Views of cars", lambda _: "views", lambda _: Adapted(given, notes), **more)


def test_views_of_others_need_nobody_who_looks_at_their_files(tmp_path: Path) -> None:
    item = check_views(tmp_path, adapter())
    assert (item.kind, item.note) == ("cars", "2 sets of 3 views, 2 agents in 2 scenarios")
    assert item.problems == ()
    assert [(one.split, one.chosen) for one in item.splits] == [("train", False), ("validate", False)]


def test_notes_on_depth_are_told_and_others_are_those_of_the_files(tmp_path: Path) -> None:
    notes = tuple(
        Problem(code, "depth", "told", severity="warning") for code in ("missing-depth", "depth-twice", "other")
    )
    item = check_views(tmp_path, adapter(notes=notes))
    assert [(one.code, one.where) for one in item.problems] == [
        ("missing-depth", f"{tmp_path}: depth"),
        ("depth-twice", f"{tmp_path}: depth"),
    ]


def faults(asked: list[str | None], refused: str | None = None) -> Any:
    def look(path: Path, *, split: str | None = None) -> Iterator[Problem]:
        asked.append(split)
        if split == refused and refused is not None:
            raise SchemaError(Problem("unknown-split", str(path), "expected another"))
        if split == "broken":
            raise SchemaError(Problem("no-poses", str(path), "expected poses"))
        yield Problem("odd", f"{path}/{split}", "odd", severity="warning")

    return look


def test_files_of_the_splits_that_are_asked_for_are_looked_at(tmp_path: Path) -> None:
    asked: list[str | None] = []
    item = check_views(tmp_path, adapter(faults=faults(asked)))
    assert asked == [None]
    assert [one.where for one in item.problems] == [f"{tmp_path}/None"]
    asked.clear()
    item = check_views(tmp_path, adapter(faults=faults(asked, "test")), ViewsLook(["train", "test", "val"]))
    assert asked == ["train", "test", "val"]
    # That one of them is not there is told once, by who compares all that was looked at.
    assert [one.where for one in item.problems] == [f"{tmp_path}/train", f"{tmp_path}/val"]
    assert [one.split for one in item.splits] == ["train", "validate"]


def test_what_cannot_be_looked_at_is_refused_with_its_reason(tmp_path: Path) -> None:
    item = check_views(tmp_path, adapter(faults=faults([])), ViewsLook(["broken"]))
    assert (item.status, item.note, [one.code for one in item.problems]) == ("error", "nothing verified", ["no-poses"])

    def gone(_: Path) -> Adapted:
        raise StorageError(Problem("not-found", str(tmp_path), "got nothing"))

    item = check_views(tmp_path, replace(adapter(), read=gone))
    assert [one.code for one in item.problems] == ["not-found"]


def test_an_adapter_that_promises_views_has_to_read_some(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="cars promises views, and reads Tracks"):
        check_views(tmp_path, adapter(sample_tracks()))


def test_an_adapter_that_takes_no_depth_says_so(tmp_path: Path) -> None:
    item = check_views(tmp_path, adapter(takes=frozenset({"split"})), ViewsLook(depth_root=tmp_path))
    (problem,) = item.problems
    assert problem.code == "wrong-option"
    assert "expected split to be said beside it, got depth_root" in problem.message


def test_views_of_ours_have_their_depth_with_them() -> None:
    item = check_own_views(Path("a.h5"), "views_hdf5", sample_views(), ViewsLook(depth_root=Path("depth")))
    (problem,) = item.problems
    assert (problem.code, problem.fix) == ("wrong-option", "leave out --depth-root")
    assert item.splits == ()


def test_one_of_everything_is_told_in_the_singular() -> None:
    item = check_own_views(Path("a.h5"), "views_hdf5", sample_views().take([1]))
    assert item.found == "views_hdf5: verified, 1 set of 1 view, 1 agent in 1 scenario"


def test_places_of_problems_begin_with_the_path_once(tmp_path: Path) -> None:
    def look(path: Path, *, split: str | None = None) -> Iterator[Problem]:
        yield Problem("inside", f"{path}/train/a.yaml", "odd", split, "warning")
        yield Problem("elsewhere", "cache.h5", "odd", split, "warning")

    item = check_views(tmp_path, adapter(faults=look))
    assert [one.where for one in item.problems] == [f"{tmp_path}/train/a.yaml", f"{tmp_path}: cache.h5"]


@pytest.mark.parametrize(("sample", "looked_at"), [(0, 0), (1, 1), (2, 2), (3, 3), (9, 5)])
def test_sets_that_are_looked_at_are_spread_over_all(sample: int, looked_at: int) -> None:
    count = 5
    depth = tuple(np.full((3, 4), 1.0 + view, np.float32) for view in range(count))
    views = Views(
        sample_views().header,
        split=("train",) * count,
        scenario=("street",) * count,
        frame=np.arange(count),
        time_s=np.arange(count) / 10,
        set_stop=np.arange(1, count + 1),
        agent=("641",) * count,
        camera=("camera0",) * count,
        model=np.zeros(count, np.int64),
        cam2world=np.tile(np.eye(4), (count, 1, 1)),
        present={layer: np.full(count, layer == "depth") for layer in sample_views().present},
        pixels=HeldPixels({"depth": depth}),
    )
    found = split_stats(views, "train", sample)
    assert found.looked_at == looked_at
    seen = [one.view for one in found.numbers]
    assert len(seen) == looked_at
    if looked_at > 1:
        assert (seen[0], seen[-1]) == (0, count - 1)
    assert [one.median_m for one in found.numbers] == [1.0 + view for view in seen]


def test_a_fault_of_depth_is_told_before_that_of_its_mask() -> None:
    """One file says both: the mask of a depth of another size is of another size too."""
    small = {"depth": (np.ones((2, 2), np.float32),) * 3, "valid": (np.ones((2, 2), bool),) * 3}
    views = replace(sample_views(), pixels=HeldPixels({**small, "non_ambiguous": (np.ones((3, 4), bool),) * 3}))
    found = split_stats(views, "train", 8)
    assert found.numbers == ()
    assert [one.where for one in found.problems] == ["depth of view 0", "depth of view 1"]
    assert all("expected depth of 4x3 pixels" in one.message and "got 2x2" in one.message for one in found.problems)


def test_a_mask_without_depth_counts_what_it_cannot_know() -> None:
    """Valid where no depth is stored: each of its pixels contradicts that."""
    views = sample_views()
    present = {**views.present, "depth": np.zeros(3, bool)}
    found = numbers_of(replace(views, present=present), 0)
    assert found.depths == ()
    assert (found.median_m, found.far_m, found.flat) == (None, None, None)
    assert found.not_valid == int(views.read("valid", 0).sum())


def test_views_are_named_by_all_that_tells_them_apart() -> None:
    views = sample_views()
    named = [view_named(views, view) for view in range(3)]
    assert named == [
        "2021_08_22_21_41_24, frame 69, agent 641, camera0",
        "2021_08_22_21_41_24, frame 69, agent 1000, camera0",
        "2021_09_09_13_20_58, frame 70, agent 641, camera0",
    ]
