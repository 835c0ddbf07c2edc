"""Where each rule on views begins to speak: on both sides of its threshold, from numbers alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from lapsdata.checks._view_lenses import lens_faults
from lapsdata.checks._view_numbers import DEPTH_EDGES_M, Flatness, ViewNumbers, flatness
from lapsdata.checks._view_pixels import pixel_faults
from lapsdata.checks._view_poses import pose_faults
from lapsdata.checks._view_splits import split_faults, unknown_splits, wanted_splits
from lapsdata.checks.outcome import CheckedItem
from lapsdata.checks.view_stats import SplitStats, pixel_tables, split_rows, stats_tables
from lapsdata.checks.views import compare_items
from lapsdata.containers import LAYERS, HeldPixels, Views
from lapsdata.schema import CameraModel, PanoramaAngles, PinholeLens, ViewsHeader
from lapsdata.schema.base import Size
from lapsdata.testing.samples import sample_provenance

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lapsdata.errors import Problem

SIZE = Size(width=8, height=6)
PINHOLE = CameraModel(kind="pinhole", size=SIZE, lens=PinholeLens(focal_px=(4.0, 4.0), centre_px=(3.5, 2.5)), depth="z")
AROUND = CameraModel(
    kind="equirectangular", size=SIZE, angles=PanoramaAngles(h_fov_deg=360, low_deg=-45, high_deg=45), depth="ray"
)


def places(*at: tuple[float, float, float]) -> NDArray[np.float64]:
    poses = np.tile(np.eye(4), (len(at), 1, 1))
    poses[:, :3, 3] = at
    return poses


def views(
    poses: NDArray[np.float64] | None = None,
    *,
    model: CameraModel = PINHOLE,
    sets: int = 2,
    agents: int = 2,
    step_s: float = 0.1,
) -> Views:
    """Return views without pixels: of each agent one camera, in sets a tenth of a second apart."""
    count = sets * agents
    if poses is None:
        poses = places(*((5.0 * (view % agents), 0.0, 0.5 * (view // agents) + 3) for view in range(count)))
    return Views(
        ViewsHeader(provenance=sample_provenance(), cameras=(model,)),
        split=("train",) * sets,
        scenario=("street",) * sets,
        frame=np.arange(sets) * 2 + 69,
        time_s=np.arange(sets) * step_s,
        set_stop=np.arange(1, sets + 1) * agents,
        agent=tuple(str(view % agents) for view in range(count)),
        camera=("front",) * count,
        model=np.zeros(count, np.int64),
        cam2world=poses,
        present={layer: np.zeros(count, bool) for layer in LAYERS},
        pixels=HeldPixels({}),
    )


def numbers(view: int = 0, **told: Any) -> ViewNumbers:
    """Return numbers of a view that nothing is wrong with, some of them others."""
    usual: dict[str, Any] = {
        "means": {"covered": 0.858, "valid": 0.4, "non_ambiguous": 0.7},
        "depths": (0, 500, 1000, 1000, 500, 100, 0, 0, 0),
        "median_m": 12.0,
        "far_m": 80.0,
        "at_far": 0.01,
        "not_valid": 0,
        "outside": 0,
        "flat": Flatness(0.001, 0.03),
    }
    return ViewNumbers(view=view, **(usual | told))


def stats(*each: ViewNumbers, **told: Any) -> SplitStats:
    usual: dict[str, Any] = {
        "split": "train",
        "sets": 2,
        "counts": (2,),
        "models": ("pinhole 8x6, 90 x 74 degrees",),
        "looked_at": 2,
        "numbers": each,
        "from_origin_m": (3.0, 4.0, 6.0),
        "from_first_m": (0.0, 2.5, 5.0),
    }
    return SplitStats(**(usual | told))


def codes(*each: ViewNumbers, model: CameraModel = AROUND) -> dict[str, Problem]:
    found = pixel_faults(views(model=model), stats(*each), "scene.h5: train")
    return {one.code: one for one in found}


# --- masks and depth --------------------------------------------------------------------------------------------


def test_numbers_that_are_usual_are_no_fault() -> None:
    assert codes(numbers(), numbers(1)) == {}
    assert codes() == {}
    assert codes(numbers(means={}, depths=(), median_m=None, far_m=None, flat=None)) == {}


@pytest.mark.parametrize(
    ("mask", "mean", "severity"),
    [
        ("non_ambiguous", 0.051, None),
        ("non_ambiguous", 0.049, "warning"),
        ("non_ambiguous", 0.0, "warning"),
        ("covered", 0.049, "warning"),
        ("valid", 0.02, None),
        ("valid", 0.0, "warning"),
    ],
)
def test_where_a_mask_is_called_empty(mask: str, mean: float, severity: str | None) -> None:
    usual = numbers().means
    # Of a pinhole camera: how much of a panorama is covered is told apart.
    found = codes(numbers(means={**usual, mask: mean}), numbers(1), model=PINHOLE)
    assert {code: one.severity for code, one in found.items()} == ({"mask-empty": severity} if severity else {})
    if severity:
        assert (
            f"the mean of {mask} is {'0' if mask == 'valid' else 'below 0.05'} (1 of 2 views"
            in found["mask-empty"].message
        )


def test_a_mask_that_is_nowhere_true_in_any_view_is_an_error() -> None:
    nothing = {**numbers().means, "non_ambiguous": 0.0}
    assert codes(numbers(means=nothing), numbers(1, means=nothing))["mask-empty"].severity == "error"


@pytest.mark.parametrize(("means", "told"), [((0.996, 0.999), True), ((0.996, 0.9), False), ((0.995, 0.995), False)])
def test_where_a_mask_is_called_full(means: tuple[float, float], told: bool) -> None:
    each = [numbers(view, means={"non_ambiguous": mean}) for view, mean in enumerate(means)]
    assert list(codes(*each)) == (["mask-full"] if told else [])


@pytest.mark.parametrize(("mean", "told"), [(0.04, True), (0.06, False)])
def test_where_depth_is_called_sparse(mean: float, told: bool) -> None:
    found = codes(numbers(means={"valid": mean}), numbers(1, means={"valid": mean / 2}))
    assert {code: one.severity for code, one in found.items()} == ({"valid-sparse": "info"} if told else {})


@pytest.mark.parametrize(("median", "told"), [(149.0, False), (151.0, True), (0.21, False), (0.19, True)])
def test_where_depth_is_said_to_have_another_unit(median: float, told: bool) -> None:
    found = codes(numbers(median_m=median), numbers(1, median_m=median))
    assert list(found) == (["depth-unit"] if told else [])


def test_millimetres_and_shares_are_told_with_their_numbers() -> None:
    found = codes(numbers(median_m=9400.0))["depth-unit"]
    assert found.message == (
        "depth has a median of 9,400 m, beyond 150 m: 9.4 m if it is millimetres or 94.0 m if it is centimetres"
    )
    assert found.fix == "divide it by 1000 or 100 where it is; views hold metres"
    found = codes(numbers(median_m=870.0))["depth-unit"]
    assert found.message == "depth has a median of 870 m, beyond 150 m: 8.7 m if it is centimetres"
    assert found.fix == "divide it by 100 where it is; views hold metres"
    found = codes(numbers(median_m=2e7))["depth-unit"]
    assert found.message == "depth has a median of 20,000,000 m, beyond 150 m: of what is it?"
    found = codes(numbers(median_m=0.02, far_m=0.999))["depth-unit"]
    assert found.message == "depth has a median of 0.02 m, below 0.2 m, and ends at 0.999"


@pytest.mark.parametrize(
    ("share", "far", "pixels", "told"),
    [
        (0.051, 655.35, 3100, True),
        (0.049, 655.35, 3100, False),
        # A wall straight ahead, with hardly anything in front of it.
        (0.9, 12.0, 3100, False),
        (0.4, 23.0, 3100, False),
        (0.4, 25.0, 3100, True),
        # A few pixels of a small picture.
        (0.09, 655.35, 500, False),
        (0.11, 655.35, 500, True),
    ],
)
def test_where_a_largest_depth_is_called_a_ceiling(share: float, far: float, pixels: int, told: bool) -> None:
    given = numbers(at_far=share, far_m=far, depths=(0, 0, pixels, 0, 0, 0, 0, 0, 0))
    assert list(codes(given, numbers(1))) == (["depth-ceiling"] if told else [])


@pytest.mark.parametrize(
    ("pairs", "told"),
    [
        # Bent by what is said, flat by the other.
        ([(0.03, 0.001)] * 2, True),
        # One view is too little.
        ([(0.03, 0.001)], False),
        # As bent as the other: hills.
        ([(0.03, 0.02)] * 4, False),
        # Nearly flat, whatever it is: a narrow camera.
        ([(0.004, 0.0001)] * 4, False),
        # Most views say that it is right.
        ([(0.03, 0.001)] * 2 + [(0.001, 0.03)] * 2, False),
        ([(0.03, 0.001)] * 3 + [(0.001, 0.03)], True),
        ([(0.001, 0.03)] * 4, False),
    ],
)
def test_when_depth_is_said_to_be_along_something_else(pairs: list[tuple[float, float]], told: bool) -> None:
    each = [numbers(view % 4, flat=Flatness(*pair)) for view, pair in enumerate(pairs)]
    found = codes(*each, model=PINHOLE)
    assert list(found) == (["depth-kind"] if told else [])
    if told:
        assert (
            "bends the ground by 3.0% of its distance; taken as along the ray it is flat to 0.10%"
            in found["depth-kind"].message
        )


@pytest.mark.parametrize(("wrong", "code"), [("not_valid", "valid-not-depth"), ("outside", "mask-outside")])
def test_contradictions_need_no_threshold(wrong: str, code: str) -> None:
    (problem,) = codes(numbers(**{wrong: 1}), numbers(1, **{wrong: 1200})).values()
    assert problem.code == code
    assert "1,201 pixels" in problem.message
    assert "(2 of 2 views that were looked at; street, frame 69, agent 0, front)" in problem.message


@pytest.mark.parametrize(
    ("kind", "share", "code"),
    [
        ("equirectangular", 0.332, "coverage-cropped"),
        ("equirectangular", 0.325, "coverage-cropped"),
        ("equirectangular", 0.30, "coverage-low"),
        ("equirectangular", 0.267, "coverage-low"),
        ("cylinder", 0.267, "coverage-cropped"),
        ("cylinder", 0.332, "coverage-low"),
        ("equirectangular", 0.49, "coverage-low"),
        ("equirectangular", 0.51, None),
    ],
)
def test_how_much_of_a_panorama_is_covered(kind: Any, share: float, code: str | None) -> None:
    model = AROUND.model_copy(update={"kind": kind})
    each = [numbers(view, means={"covered": share}) for view in range(2)]
    assert list(codes(*each, model=model)) == ([code] if code else [])
    # The pictures of a pinhole camera are covered as they are.
    assert codes(*each, model=PINHOLE) == {}


def test_coverage_is_compared_with_that_of_the_same_agent() -> None:
    each = [numbers(view, means={"covered": share}) for view, share in enumerate((0.86, 0.70, 0.85, 0.70))]
    assert codes(*each) == {}
    each[2] = numbers(2, means={"covered": 0.82})
    assert "(1 of 4 views that were looked at; street, frame 71, agent 0" in codes(*each)["coverage-drops"].message


def test_a_plane_is_flat_in_any_direction() -> None:
    """Walls, ramps and ground: each is flat by the kind of depth that it was drawn with, and by no other."""
    model = CameraModel(
        kind="pinhole",
        size=Size(width=80, height=60),
        lens=PinholeLens(focal_px=(34.0, 34.0), centre_px=(39.5, 29.5)),
        depth="z",
    )
    x, y = (np.arange(80) - 39.5) / 34, (np.arange(60)[:, None] - 29.5) / 34
    for slope, wall in ((0.0, 0.0), (0.2, 0.1), (-0.1, 0.3)):
        depth = 1.8 / np.maximum(y + slope * 0.3 + wall * x, 0.05)
        along_ray = depth * np.sqrt(x**2 + y**2 + 1)
        right, wrong = (flatness(one.astype(np.float32), model) for one in (depth, along_ray))
        assert right is not None
        assert wrong is not None
        assert right.stated < 1e-4 < 0.005 < right.other
        assert wrong.other < 1e-4 < 0.005 < wrong.stated


# --- poses ------------------------------------------------------------------------------------------------------


def poses_found(given: Views) -> list[str]:
    return [one.code for one in pose_faults(given, "train", "scene.h5: train")]


@pytest.mark.parametrize(("away", "told"), [(199.0, []), (201.0, ["poses-apart"])])
def test_how_far_apart_views_of_a_set_may_be(away: float, told: list[str]) -> None:
    at = [(0.0, 0.0, 3.0), (away, 0.0, 3.0), (0.0, 0.0, 3.5), (away, 0.0, 3.5)]
    assert poses_found(views(places(*at))) == told


@pytest.mark.parametrize(("step", "told"), [(9.9, []), (10.1, ["pose-jumps"])])
def test_how_fast_a_camera_may_be(step: float, told: list[str]) -> None:
    at = [(0.0, 0.0, 3.0), (5.0, 0.0, 3.0), (0.0, 0.0, 3 + step), (5.0, 0.0, 3 + step)]
    assert poses_found(views(places(*at))) == told
    # Half as fast.
    assert poses_found(views(places(*at), step_s=0.2)) == []


@pytest.mark.parametrize(("far", "told"), [(9.9e4, []), (1.01e5, ["poses-far"])])
def test_how_far_from_the_origin_a_world_may_be(far: float, told: list[str]) -> None:
    at = [(far, 0.0, 3.0), (far + 5, 0.0, 3.0), (far, 0.0, 3.5), (far + 5, 0.0, 3.5)]
    assert poses_found(views(places(*at))) == told


@pytest.mark.parametrize(
    ("angle", "told"), [(0, []), (90, []), (110, []), (130, ["poses-upside-down"]), (180, ["poses-upside-down"])]
)
def test_how_a_camera_may_be_turned(angle: float, told: list[str]) -> None:
    turned = views().cam2world.copy()
    c, s = np.cos(np.radians(angle)), np.sin(np.radians(angle))
    turned[:, :3, :3] = [[c, -s, 0], [s, c, 0], [0, 0, 1]]
    assert poses_found(views(turned)) == told


def test_a_rig_may_be_wide_and_is_no_rig_without_a_second_camera() -> None:
    def rig(span: float) -> Views:
        given = views(places(*((span * (view % 2), 0.0, 3.0 + 0.5 * (view // 2)) for view in range(4))))
        return replace(given, agent=("0",) * 4, camera=("front", "back") * 2)

    assert poses_found(rig(14.9)) == []
    (problem,) = pose_faults(rig(15.1), "train", "scene.h5: train")
    assert problem.code == "poses-apart"
    assert (
        "cameras of one agent are 15 m apart, more than 15 m, at the median of 2 (street, frame 69)" in problem.message
    )
    assert poses_found(views(places((0, 0, 3), (90, 0, 3), (0, 0, 3.5), (90, 0, 3.5)))) == []


def test_a_single_view_or_set_shows_no_frame() -> None:
    assert poses_found(views(places((0, 0, 0)), sets=1, agents=1)) == []
    assert poses_found(views(places((0, 0, 0), (0, 0, 1)), sets=2, agents=1)) == []
    # The first view at the origin, in one set: that is a world like any other.
    assert poses_found(views(places((0, 0, 0), (5, 0, 1)), sets=1, agents=2)) == []
    assert poses_found(views(places((0, 0, 0), (5, 0, 1), (0, 0, 0), (5, 0, 1)))) == ["poses-not-world"]


@pytest.mark.parametrize(
    ("centre", "told"),
    [((3.5, 2.5), False), ((4.2, 2.5), False), ((4.4, 2.5), True), ((3.5, 3.2), True), ((1.5, 1.0), True)],
)
def test_how_far_an_axis_may_be_from_the_middle(centre: tuple[float, float], told: bool) -> None:
    lens = PinholeLens(focal_px=(4.0, 4.0), centre_px=centre)
    model = CameraModel(kind="pinhole", size=SIZE, lens=lens)
    found = list(lens_faults(views(model=model), "scene.h5"))
    assert [one.code for one in found] == (["intrinsics-size"] if told else [])
    assert not list(lens_faults(views(model=AROUND), "scene.h5"))


# --- splits -----------------------------------------------------------------------------------------------------


def test_splits_are_compared_with_the_one_for_training_wherever_it_stands() -> None:
    told = {"a: validate": stats(split="validate", counts=(4,)), "b: train": stats(), "c: test": stats(split="test")}
    (problem,) = split_faults(told)
    assert problem.where == "a: validate"
    assert problem.message == "expected sets of 2 views as b: train, got 4"
    without = {name: one for name, one in told.items() if name != "b: train"}
    (problem,) = split_faults(without)
    assert problem.where == "c: test"


@pytest.mark.parametrize(
    ("chosen", "selected", "severity"), [(True, False, "warning"), (True, True, "info"), (False, False, None)]
)
def test_numbers_of_views_count_once_somebody_has_chosen(chosen: bool, selected: bool, severity: str | None) -> None:
    pair = (stats(), stats(split="validate", counts=(4, 5)))
    given = {one.split: replace(one, chosen=chosen, selected=selected) for one in pair}
    assert [one.severity for one in split_faults(given)] == ([severity] if severity else [])


def test_one_set_does_not_show_what_the_others_have() -> None:
    given = {"train": stats(), "val": stats(split="validate", counts=(4,), sets=1)}
    assert list(split_faults(given)) == []
    assert [one.code for one in split_faults({**given, "val": stats(split="val", counts=(4,))})] == [
        "view-counts-differ"
    ]


def test_names_of_splits() -> None:
    given = replace(views(), split=("train", "validate"))
    assert wanted_splits(given, ["val", "train"]) == ("train", "validate")
    assert wanted_splits(given, ["test"]) == ()
    unknown = unknown_splits({"val"}, ["validate", "train"], "splits")
    assert unknown is not None
    assert (unknown.where, unknown.message) == ("splits", "expected views of train, got val")
    assert unknown_splits({"val"}, ["validate"], "splits") is None


def test_files_are_compared_once() -> None:
    def item(name: str, *splits: SplitStats) -> CheckedItem:
        return CheckedItem(Path(name), "views_hdf5", None, 0, "", splits=splits)

    other = stats(split="validate", models=("cylinder 8x6",))
    assert compare_items([item("a.h5", stats(), other)], None) == []
    assert compare_items([item("a.h5", stats()), item("b.h5", stats(models=("other",)))], None) == []
    (problem,) = compare_items([item("a.h5", stats()), item("b.h5", other)], ["train", "val"])
    assert (problem.code, problem.where) == ("camera-models-differ", "b.h5: validate")
    assert compare_items([item("a.h5", stats()), item("b.h5", other), item("c.h5", stats(), other)], None) == [
        problem,
        replace(problem, where="c.h5: validate"),
    ]


def test_tables_have_a_row_for_each_split_and_no_table_of_nothing() -> None:
    empty = stats(split="test")
    assert stats_tables([empty]) == [split_rows([empty])]
    assert split_rows([empty])[1][0][4:8] == ["", "", "", ""]
    assert split_rows([stats(counts=(2, 3, 5))])[1][0][2] == "2-5"
    masks, depth = pixel_tables([stats(numbers(), numbers(1)), empty])
    assert masks[0] == ["split", "views by mean", "0-0.05", "0.05-0.25", "0.25-0.5", "0.5-0.75", "0.75-0.95", "0.95-1"]
    assert masks[1] == [
        ["train", "covered", "", "", "", "", "2", ""],
        ["train", "valid", "", "", "2", "", "", ""],
        ["train", "non_ambiguous", "", "", "", "2", "", ""],
    ]
    assert len(depth[0]) == len(DEPTH_EDGES_M) + 1
    assert depth[1] == [["train", "", "16%", "32%", "32%", "16%", "3%", "", "", ""]]
