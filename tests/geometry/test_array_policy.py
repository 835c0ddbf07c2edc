"""One policy for arrays, kept by every function: float32 and float64 stay, others are refused, NaN passes."""

from __future__ import annotations

import subprocess
import sys
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import lapsdata.geometry as geometry
from lapsdata.errors import SchemaError
from lapsdata.geometry import FrameSize, PixelMap

if TYPE_CHECKING:
    from collections.abc import Callable

SIZE = FrameSize(width=771, height=480)
RELATIVE = {"unit": "percent", "origin": "edge"}
MAP = PixelMap.letterboxed(SIZE, FrameSize(width=224, height=224))
CAMERA = geometry.PinholeCamera(size=SIZE, focal_px=(500.0, 400.0), centre_px=(10.0, 9.0), cam2world=np.eye(4))
OFFSETS = np.array([1, 1, 3, 3], dtype=np.float32)

# name of the argument, last axes, call; every public function that takes an array stands here.
CALLS: dict[str, tuple[str, tuple[int, ...], Callable[[Any], Any]]] = {
    "swap_xy": ("points", (2,), geometry.swap_xy),
    "pixel_to_relative": ("points", (2,), lambda a: geometry.pixel_to_relative(a, SIZE, **RELATIVE)),
    "relative_to_pixel": ("points", (2,), lambda a: geometry.relative_to_pixel(a, SIZE, **RELATIVE)),
    "turn_points": ("points", (2,), lambda a: geometry.turn_points(a, SIZE, clockwise=90)),
    "pixel_to_amplify": ("points", (2,), lambda a: geometry.pixel_to_amplify(a, SIZE, lost="keep").row_col),
    "amplify_to_pixel": ("row_col", (2,), lambda a: geometry.amplify_to_pixel(a, SIZE)),
    "to_source": ("points", (2,), MAP.to_source),
    "to_working": ("points", (2,), MAP.to_working),
    "convert_boxes": ("boxes", (4,), lambda a: geometry.convert_boxes(a, source="xywh", target="xyxy")),
    "convert_boxes to the same": ("boxes", (4,), lambda a: geometry.convert_boxes(a, source="xywh", target="xywh")),
    "shift_boxes": ("boxes", (4,), lambda a: geometry.shift_boxes(a, form="xywh", source="edge", target="centre")),
    "boxes_to_relative": ("boxes", (4,), lambda a: geometry.boxes_to_relative(a, SIZE, form="xywh", **RELATIVE)),
    "relative_to_boxes": ("boxes", (4,), lambda a: geometry.relative_to_boxes(a, SIZE, form="xywh", **RELATIVE)),
    "rotated_box_corners": ("boxes", (4,), lambda a: geometry.rotated_box_corners(a, np.zeros(np.shape(a)[:-1]))),
    "enclosing_boxes": ("points", (3, 2), geometry.enclosing_boxes),
    "convert_rotations": ("values", (3,), lambda a: geometry.convert_rotations(a, source="euler_xyz", target="matrix")),
    "convert_episode_rotations": (
        "values",
        (3,),
        lambda a: geometry.convert_episode_rotations(a, source="euler_angles_rpy", target="matrix"),
    ),
    "rotation_steps": (
        "values",
        (3,),
        lambda a: geometry.rotation_steps(a, np.ones(3), form="axis_angle", origin="axis_angle"),
    ),
    "rotation_places": (
        "steps",
        (3,),
        lambda a: geometry.rotation_places(a, np.ones(3), form="axis_angle", origin="axis_angle"),
    ),
    "invert_poses": ("poses", (4, 4), geometry.invert_poses),
    "compose_poses": ("outer", (4, 4), lambda a: geometry.compose_poses(a, a)),
    "project_points": ("points", (3,), lambda a: geometry.project_points(a, CAMERA).points),
    "flip_camera_axes": ("cam2world", (4, 4), geometry.flip_camera_axes),
    "carla_poses": ("values", (6,), geometry.carla_poses),
    "points_from_carla": ("points", (3,), geometry.points_from_carla),
    "points_to_carla": ("points", (3,), geometry.points_to_carla),
    "transforms_from_carla": ("transforms", (4, 4), geometry.transforms_from_carla),
    "transforms_to_carla": ("transforms", (4, 4), geometry.transforms_to_carla),
}
NAMES = pytest.mark.parametrize("name", CALLS)


def example(tail: tuple[int, ...], dtype: str = "float32") -> np.ndarray:
    """Return two valid items: the identity for matrices, small numbers otherwise."""
    item = np.eye(4) if tail == (4, 4) else np.ones(tail)
    return np.stack([item, item]).astype(dtype)


def test_the_table_is_complete() -> None:
    takes_arrays = {name for name in geometry.__all__ if name.islower()}
    others = {"amplify_grid", "cotracker_grid", "uniform_grid", "letterbox_area", "inside_frame", "rotation_width"}
    assert takes_arrays - others == {name for name in CALLS if hasattr(geometry, name)}


@NAMES
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_dtype_stays(name: str, dtype: str) -> None:
    _, tail, call = CALLS[name]
    result = call(example(tail, dtype))
    assert result.dtype == dtype
    assert len(result) == 2


@NAMES
@pytest.mark.parametrize("dtype", ["int64", "uint8", "float16", "bool", "complex64", ">f4"])
def test_other_dtypes_are_refused(name: str, dtype: str) -> None:
    argument, tail, call = CALLS[name]
    shown = (
        rf"{argument}: expected float32 or float64 in native byte order, got .*; convert with \.astype\(np\.float32\)"
    )
    with pytest.raises(SchemaError, match=shown) as caught:
        call(example(tail, dtype))
    assert [problem.code for problem in caught.value.problems] == ["wrong-dtype"]


@NAMES
def test_other_shapes_are_refused(name: str) -> None:
    argument, tail, call = CALLS[name]
    wanted = "K, 2" if name == "enclosing_boxes" else ", ".join(map(str, tail))
    for shape in ((), (7,), (2, *tail[:-1], tail[-1] + 1)):
        with pytest.raises(SchemaError, match=rf"{argument}: expected \(..., {wanted}\), got \(") as caught:
            call(np.zeros(shape, dtype=np.float32))
        assert [problem.code for problem in caught.value.problems] == ["wrong-shape"]


@NAMES
def test_both_faults_are_told_at_once(name: str) -> None:
    argument, _, call = CALLS[name]
    with pytest.raises(SchemaError, match="2 problems") as caught:
        call(np.zeros((3, 7), dtype=np.int16))
    assert [(p.code, p.where) for p in caught.value.problems] == [
        ("wrong-dtype", argument),
        ("wrong-shape", argument),
    ]


@NAMES
def test_no_items_give_no_items(name: str) -> None:
    _, tail, call = CALLS[name]
    result = call(example(tail)[:0])
    assert len(result) == 0
    assert result.dtype == np.float32


@NAMES
def test_nan_stays_in_its_item(name: str) -> None:
    _, tail, call = CALLS[name]
    clean = example(tail)
    holed = clean.copy()
    holed[0, ..., -1] = np.nan
    result, expected = call(holed), call(clean)
    assert np.isnan(result[0]).any()
    np.testing.assert_array_equal(result[1], expected[1])


@NAMES
def test_results_own_their_memory_and_inputs_stay(name: str) -> None:
    _, tail, call = CALLS[name]
    given = example(tail)
    given.flags.writeable = False
    result = call(given)
    assert not np.shares_memory(result, given)
    np.testing.assert_array_equal(given, example(tail))


@NAMES
def test_strides_do_not_matter(name: str) -> None:
    _, tail, call = CALLS[name]
    spaced = np.zeros((4, *tail), dtype=np.float32)[::2]
    spaced[:] = example(tail)
    np.testing.assert_array_equal(call(spaced), call(example(tail)))


@NAMES
def test_a_mask_is_never_dropped(name: str) -> None:
    argument, tail, call = CALLS[name]
    masked = np.ma.masked_array(example(tail), mask=False)
    message = rf"^{argument}: expected a plain array, got MaskedArray; use \.filled\(np\.nan\), and keep the mask \["
    with pytest.raises(SchemaError, match=message):
        call(masked)
    with pytest.raises(SchemaError, match="degrees: expected a plain array, got MaskedArray"):
        geometry.rotated_box_corners(example((4,)), np.ma.zeros(2, np.float32))


WRONG_SIZES: dict[str, Callable[[Any], object]] = {
    "pixel_to_relative": lambda size: geometry.pixel_to_relative(np.ones(2), size, **RELATIVE),
    "relative_to_pixel": lambda size: geometry.relative_to_pixel(np.ones(2), size, **RELATIVE),
    "boxes_to_relative": lambda size: geometry.boxes_to_relative(np.ones(4), size, form="xywh", **RELATIVE),
    "relative_to_boxes": lambda size: geometry.relative_to_boxes(np.ones(4), size, form="xywh", **RELATIVE),
    "inside_frame": lambda size: geometry.inside_frame(np.ones(2), size),
    "turn_points": lambda size: geometry.turn_points(np.ones(2), size, clockwise=90),
    "pixel_to_amplify": lambda size: geometry.pixel_to_amplify(np.ones(2), size),
    "amplify_to_pixel": lambda size: geometry.amplify_to_pixel(np.ones(2), size),
    "uniform_grid": lambda size: geometry.uniform_grid(size, count=4),
    "uniform_grid of an area": lambda size: geometry.uniform_grid(size, count=4, area=geometry.PixelArea.whole(SIZE)),
    "amplify_grid": lambda size: geometry.amplify_grid(size),
    "cotracker_grid": lambda size: geometry.cotracker_grid(size, side=2),
    "check_within": lambda size: geometry.PixelArea.whole(SIZE).check_within(size),
    "resized from": lambda size: PixelMap.resized(size, SIZE),
    "letterboxed from": lambda size: PixelMap.letterboxed(size, SIZE),
    "letterboxed to": lambda size: PixelMap.letterboxed(SIZE, size),
    "letterbox_area": lambda size: geometry.letterbox_area(SIZE, size),
    "cropped": lambda size: PixelMap.cropped(size, geometry.PixelArea.whole(SIZE)),
}


@pytest.mark.parametrize("name", WRONG_SIZES)
@pytest.mark.parametrize("size", [(4, 2), [771, 480], None, 480, "771x480"])
def test_a_size_says_which_side_is_which(name: str, size: object) -> None:
    message = r"(size|source|working): expected a FrameSize, got .*; write FrameSize\(width=\.\.\., height=\.\.\.\)"
    with pytest.raises(SchemaError, match=message) as caught:
        WRONG_SIZES[name](size)
    assert [problem.code for problem in caught.value.problems] == ["wrong-type"]


@pytest.mark.parametrize(
    "call",
    [
        lambda area: geometry.uniform_grid(SIZE, count=4, area=area),
        lambda area: PixelMap.cropped(SIZE, area),
        lambda area: PixelMap.placed(SIZE, SIZE, area),
    ],
)
def test_an_area_says_which_number_is_which(call: Callable[[Any], object]) -> None:
    words = r"x=\.\.\., y=\.\.\., width=\.\.\., height=\.\.\."
    message = rf"area: expected a PixelArea, got \(0, 0, 4, 4\); write PixelArea\({words}\)"
    with pytest.raises(SchemaError, match=message):
        call((0, 0, 4, 4))


def test_a_map_between_frames_names_both() -> None:
    terms = {name: Fraction(1) for name in ("scale_x", "scale_y", "offset_x", "offset_y")}
    for name in ("source", "working"):
        sizes: dict[str, Any] = {"source": SIZE, "working": SIZE, name: (771, 480)}
        with pytest.raises(SchemaError, match=f"^{name}: expected a FrameSize, got"):
            PixelMap(**sizes, **terms)


def test_inside_frame_keeps_the_policy_too() -> None:
    with pytest.raises(SchemaError, match=r"points: expected \(..., 2\), got \(4,\)"):
        geometry.inside_frame(OFFSETS, SIZE)
    with pytest.raises(SchemaError, match="points: expected float32 or float64"):
        geometry.inside_frame(np.zeros(2, dtype=np.int64), SIZE)


def test_public_names_are_complete_sorted_and_none_is_a_module() -> None:
    public = {name for name in vars(geometry) if not name.startswith("_")}
    modules = {name for name in public if isinstance(getattr(geometry, name), type(np))}
    assert modules.isdisjoint(geometry.__all__)
    assert public - modules - {"annotations"} == set(geometry.__all__)


def test_import_loads_no_heavy_package() -> None:
    code = (
        "import sys, lapsdata.geometry\n"
        "heavy = {'scipy', 'cv2', 'torch', 'pydantic', 'lapsdata.schema'} & set(sys.modules)\n"
        "sys.exit(', '.join(sorted(heavy)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr.strip()) == (0, "")
