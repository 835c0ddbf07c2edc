"""Depth beside the points of a LiDAR and beside a second file: in another unit, of another view, or lost."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lapsdata.checks._view_witness import DepthScale, DepthWitness, depth_scale, witness_faults
from lapsdata.checks.integrity import check_integrity
from lapsdata.checks.view_stats import split_stats
from lapsdata.checks.views import ViewsLook
from lapsdata.containers import LAYERS, HeldPixels, Views
from lapsdata.errors import CorruptDataError, Problem
from lapsdata.schema import CameraModel, PinholeLens, ViewsHeader
from lapsdata.schema.base import Size
from lapsdata.testing.opv2v_scenes import Opv2vScene, write_opv2v
from lapsdata.testing.samples import sample_provenance

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from lapsdata.containers import Layer
    from lapsdata.geometry import FrameSize

SCENE = Opv2vScene("train", "2021_08_22_21_41_24", ("641", "1000"), (69, 71), size=(40, 30), beams=(12, 60))
FOLDER = Path("train") / SCENE.name
SIZE = Size(width=8, height=6)
MODEL = CameraModel(kind="pinhole", size=SIZE, lens=PinholeLens(focal_px=(4.0, 4.0), centre_px=(3.5, 2.5)), depth="z")
STREET = np.linspace(4, 40, 48, dtype=np.float32).reshape(6, 8)


@dataclass(frozen=True)
class Witnessed:
    """Pixels of views, with what a LiDAR and a second file say of each."""

    depths: tuple[NDArray[np.float32], ...]
    lidars: tuple[NDArray[np.float32] | None, ...]
    seconds: dict[int, NDArray[np.float32]] = field(default_factory=dict)

    def read(self, layer: Layer, view: int) -> NDArray[Any]:
        depth = self.depths[view]
        return depth if layer == "depth" else depth > 0

    def told(self, layer: Layer, view: int) -> str:
        return f"{layer}{view}"

    def lidar_depth(self, view: int, size: FrameSize) -> NDArray[np.float32] | None:
        assert size.shape == (6, 8)
        return self.lidars[view]

    def second_depth(self, view: int) -> tuple[str, NDArray[np.float32]] | None:
        if view in self.seconds and self.seconds[view].size == 0:
            raise CorruptDataError(Problem("empty-file", f"second{view}.png", "expected a picture, got 0 bytes"))
        return (f"second{view}.png", self.seconds[view]) if view in self.seconds else None


def views_with(pixels: Any, count: int) -> Views:
    has = np.ones(count, bool)
    return Views(
        ViewsHeader(provenance=sample_provenance(), cameras=(MODEL,)),
        split=("train",) * count,
        scenario=("street",) * count,
        frame=np.arange(count) + 69,
        time_s=np.arange(count) / 10,
        set_stop=np.arange(1, count + 1),
        agent=("641",) * count,
        camera=("camera0",) * count,
        model=np.zeros(count, np.int64),
        cam2world=np.tile(np.eye(4), (count, 1, 1)),
        present={layer: has if layer in ("depth", "valid") else ~has for layer in LAYERS},
        pixels=pixels,
    )


def found_in(pixels: Witnessed) -> dict[str, Problem]:
    views = views_with(pixels, len(pixels.depths))
    found = list(witness_faults(views, split_stats(views, "train", 8), "scene: train"))
    assert len({one.code for one in found}) == len(found)
    return {one.code: one for one in found}


def scaled(*factors: float) -> dict[str, Problem]:
    return found_in(Witnessed(tuple(np.float32(one) * STREET for one in factors), (STREET,) * len(factors)))


# --- in another unit ------------------------------------------------------------------------------------------------


def test_depth_that_is_what_the_lidar_says_is_no_fault() -> None:
    assert scaled(1, 1.1, 0.9) == {}
    nothing: tuple[None, ...] = (None,)
    assert found_in(Witnessed((STREET * 100,), nothing)) == {}
    # Pixels that nobody can ask for points are as they are.
    views = views_with(HeldPixels({"depth": (STREET * 100,), "valid": (STREET > 0,)}), 1)
    assert list(witness_faults(views, split_stats(views, "train", 8), "scene: train")) == []


@pytest.mark.parametrize(
    ("factor", "unit", "fix"),
    [
        (100, "100 times what the LiDAR measured, centimetres?", "divide it by 100: views hold metres"),
        (98, "98 times what the LiDAR measured, centimetres?", "divide it by 100: views hold metres"),
        (1000, "1000 times what the LiDAR measured, millimetres?", "divide it by 1000: views hold metres"),
        (10, "10 times what the LiDAR measured, decimetres?", "divide it by 10: views hold metres"),
        (3.28, "3.28 times what the LiDAR measured, feet?", "divide it by 3.281: views hold metres"),
        (0.001, "0.001 times what the LiDAR measured, kilometres?", "divide it by 0.001: views hold metres"),
        (25, "25 times what the LiDAR measured, another unit?", "divide it by 25: views hold metres"),
    ],
)
def test_the_factor_and_the_unit_are_told(factor: float, unit: str, fix: str) -> None:
    problem = scaled(factor, factor)["depth-unit"]
    assert (problem.severity, problem.where, problem.fix) == ("error", "scene: train", fix)
    assert unit in problem.message
    assert "(2 of 2 views with both, 96 pixels; street, frame 69, agent 641, camera0)" in problem.message


@pytest.mark.parametrize(("factor", "code"), [(1.9, "depth-not-lidar"), (2.1, "depth-unit"), (0.55, "depth-not-lidar"),
                                              (0.45, "depth-unit"), (1.15, None), (0.85, None)])  # fmt: skip
def test_where_a_factor_is_one_of_units(factor: float, code: str | None) -> None:
    assert list(scaled(factor)) == ([code] if code else [])


def test_one_view_in_another_unit_is_told_by_its_frame() -> None:
    problem = scaled(1, 1, 100, 1)["depth-unit"]
    assert "(1 of 4 views with both, 48 pixels; street, frame 71, agent 641, camera0)" in problem.message


def test_depth_of_another_view_is_a_warning() -> None:
    turned = np.ascontiguousarray(STREET[::-1, ::-1])
    problem = found_in(Witnessed((turned, STREET), (STREET, STREET)))["depth-not-lidar"]
    assert problem.severity == "warning"
    assert "within 20% of it at 12% of the pixels with both (1 of 2 views; street, frame 69" in problem.message
    assert problem.fix == "is it of another frame, camera or agent?"


def test_a_few_pixels_say_nothing() -> None:
    few = np.where(np.arange(48).reshape(6, 8) < 9, STREET, 0).astype(np.float32)
    assert found_in(Witnessed((STREET * 100,), (few,))) == {}
    ten = np.where(np.arange(48).reshape(6, 8) < 10, STREET, 0).astype(np.float32)
    assert list(found_in(Witnessed((STREET * 100,), (ten,)))) == ["depth-unit"]


def test_points_behind_edges_do_not_matter() -> None:
    """A third of the points are on what the camera does not see."""
    behind = np.where(np.arange(48).reshape(6, 8) % 3 == 0, STREET * 3, STREET).astype(np.float32)
    assert found_in(Witnessed((STREET,), (behind,))) == {}
    assert list(found_in(Witnessed((STREET * 100,), (behind,)))) == ["depth-unit"]


@settings(max_examples=60, deadline=None)
@given(
    factor=st.floats(0.001, 1000),
    noise=st.floats(0, 0.1),
    seed=st.integers(0, 99),
    holes=st.integers(0, 60),
)
def test_a_scale_is_that_of_a_loop_over_pixels(factor: float, noise: float, seed: int, holes: int) -> None:
    random = np.random.default_rng(seed)
    lidar = random.uniform(2, 60, (9, 11)).astype(np.float32)
    depth = (lidar * factor * random.uniform(1 - noise, 1 + noise, lidar.shape)).astype(np.float32)
    lidar.ravel()[random.permutation(99)[:holes]] = 0
    depth.ravel()[random.permutation(99)[:holes]] = 0
    each = [float(one) / float(other) for one, other in zip(depth.ravel(), lidar.ravel(), strict=True) if one and other]
    found = depth_scale(3, depth, lidar)
    if len(each) < 10:
        assert found is None
        return
    assert found is not None
    assert (found.view, found.pixels) == (3, len(each))
    assert found.factor == pytest.approx(sorted(each)[len(each) // 2], rel=2.2 * noise + 1e-6)
    assert found.agree == pytest.approx(np.mean([abs(one / found.factor - 1) < 0.2 for one in each]))
    assert found.right == pytest.approx(np.mean([abs(one - 1) < 0.2 for one in each]))
    assert not (found.scaled and found.apart)
    assert found.scaled == (not 0.5 < found.factor < 2)


def test_what_is_neither_scaled_nor_right_is_apart() -> None:
    assert DepthScale(0, 30.0, 0.4, 0.0, 99).apart
    assert DepthScale(0, 30.0, 0.7, 0.0, 99).scaled
    assert not DepthScale(0, 1.0, 0.7, 0.7, 99).apart
    assert not DepthScale(0, 1.4, 0.4, 0.5, 99).apart


# --- lost, or twice -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("lost", "severity"), [(1, "warning"), (2, "warning"), (3, "error"), (4, "error")])
def test_depth_that_is_nowhere_although_there_are_points(lost: int, severity: str) -> None:
    depths = tuple(STREET * (view >= lost) for view in range(4))
    problem = found_in(Witnessed(tuple(one.astype(np.float32) for one in depths), (STREET,) * 4))["depth-lost"]
    assert problem.severity == severity
    assert f"no depth at all where the LiDAR measured {48 * lost} pixels ({lost} of 4 views with points" in (
        problem.message
    )


@pytest.mark.parametrize("nothing", [0, -1])
def test_no_depth_and_no_points_is_the_sky(nothing: float) -> None:
    sky = np.full((6, 8), nothing, np.float32)
    assert found_in(Witnessed((sky, STREET), (sky * 0, STREET))) == {}
    assert "depth-lost" in found_in(Witnessed((sky, STREET), (STREET, STREET)))


def test_the_sky_in_one_file_and_nothing_in_the_other_do_not_differ() -> None:
    sky, unknown = STREET.copy(), STREET.copy()
    sky[:2], unknown[:2] = -1, 0
    assert found_in(Witnessed((sky, unknown), (None,) * 2, {0: unknown, 1: sky})) == {}
    problem = found_in(Witnessed((sky,), (None,), {0: STREET}))["depths-differ"]
    assert f"differ in 16 pixels, by up to {STREET[:2].max():.2f} m" in problem.message


def test_two_files_that_agree_are_no_fault_and_two_that_do_not_are() -> None:
    near = STREET + np.float32(0.009)
    assert found_in(Witnessed((STREET,) * 3, (None,) * 3, {0: STREET, 2: near})) == {}
    other = STREET.copy()
    other[2, 3:6] = (0.0, STREET[2, 4] + 1.5, STREET[2, 5] + 0.25)
    problem = found_in(Witnessed((STREET,) * 3, (None,) * 3, {1: other, 2: STREET}))["depths-differ"]
    assert problem.severity == "error"
    assert f"two files that differ in 3 pixels, by up to {STREET[2, 3]:.2f} m (1 of 2 views that have two; " in (
        problem.message
    )
    assert "street, frame 70, agent 641, camera0)" in problem.message
    assert problem.fix == "delete the wrong one; second1.png is not taken"


def test_a_second_file_of_another_size_differs_everywhere() -> None:
    other = np.ones((3, 4), np.float32)
    problem = found_in(Witnessed((STREET,), (None,), {0: other}))["depths-differ"]
    assert "differ in 48 pixels, by up to 40.00 m" in problem.message


def test_a_second_file_that_cannot_be_read_is_told_and_the_others_are_compared() -> None:
    lost = np.empty((0, 0), np.float32)
    found = found_in(Witnessed((STREET,) * 2, (None,) * 2, {0: lost, 1: STREET * 2}))
    assert found["empty-file"].where == "second0.png"
    assert "(1 of 1 views that have two" in found["depths-differ"].message


def test_only_pixels_with_both_questions_are_asked() -> None:
    assert isinstance(Witnessed((), ()), DepthWitness)
    assert not isinstance(HeldPixels({}), DepthWitness)


# --- a root of OPV2V ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("opv2v")
    write_opv2v(folder / "root", [SCENE], depth_root=folder / "depth")
    return folder


def metres_of(path: Path) -> NDArray[np.float64]:
    """Decode CARLA's colours by their formula."""
    blue, green, red = np.moveaxis(cv2.imread(str(path)).astype(np.float64), -1, 0)
    return (red + 256 * green + 65536 * blue) / (256**3 - 1) * 1000


def in_colours(path: Path, metres: NDArray[np.float64]) -> None:
    code = np.round(np.minimum(metres, 1000) / 1000 * (256**3 - 1)).astype(np.int64)
    cv2.imwrite(str(path), np.stack([code >> 16, code >> 8 & 255, code & 255], axis=-1).astype(np.uint8))


def rewritten(made: Path, depth: Path, change: Callable[[Path, NDArray[np.float64]], None]) -> dict[str, Problem]:
    shutil.copytree(made / "depth", depth)
    for path in sorted(depth.rglob("*.png")):
        change(path, metres_of(path))
    (item,) = check_integrity([made / "root"], views=ViewsLook(None, 8, depth)).items
    return {one.code: one for one in item.problems}


def as_numbers(factor: float, keep: bool = False) -> Callable[[Path, NDArray[np.float64]], None]:
    def change(path: Path, metres: NDArray[np.float64]) -> None:
        np.save(path.with_suffix(".npy"), np.where(metres < 999.9, metres * factor, 0).astype(np.float32))
        if not keep:
            path.unlink()

    return change


def test_depth_in_metres_of_both_kinds_is_right(made: Path, tmp_path: Path) -> None:
    assert rewritten(made, tmp_path / "png", lambda path, metres: None) == {}
    assert rewritten(made, tmp_path / "npy", as_numbers(1)) == {}


@pytest.mark.parametrize(("factor", "unit"), [(100, "centimetres"), (1000, "millimetres")])
def test_numbers_in_another_unit_are_told_once_with_their_factor(
    made: Path, tmp_path: Path, factor: float, unit: str
) -> None:
    found = rewritten(made, tmp_path / "depth", as_numbers(factor))
    assert list(found) == ["depth-unit"]
    problem = found["depth-unit"]
    assert (problem.severity, problem.where) == ("error", f"{made / 'root'}: train")
    assert f"times what the LiDAR measured, {unit}? (16 of 16 views with both" in problem.message


def test_colours_in_centimetres_are_told_though_most_are_cut_off(made: Path, tmp_path: Path) -> None:
    found = rewritten(made, tmp_path / "depth", lambda path, metres: in_colours(path, metres * 100))
    assert "centimetres? (16 of 16 views with both" in found["depth-unit"].message
    assert found["depth-unit"].severity == "error"


def test_colours_in_millimetres_have_nothing_left_and_that_is_told(made: Path, tmp_path: Path) -> None:
    found = rewritten(made, tmp_path / "depth", lambda path, metres: in_colours(path, metres * 1000))
    assert found["depth-lost"].severity == "error"
    assert "is it in millimetres? CARLA's code ends at 1000 m" in str(found["depth-lost"])


def test_millimetres_in_gray_are_told_by_file(made: Path, tmp_path: Path) -> None:
    def gray(path: Path, metres: NDArray[np.float64]) -> None:
        if path.name == "000071_camera2_depth.png" and path.parent.name == "641":
            cv2.imwrite(str(path), np.minimum(metres * 1000, 65535).astype(np.uint16))

    found = rewritten(made, tmp_path / "depth", gray)
    assert list(found) == ["wrong-depth"]
    assert "000071_camera2_depth.png: expected 8-bit RGB" in str(found["wrong-depth"])
    assert "got 16-bit gray: millimetres?" in found["wrong-depth"].message


def test_depth_of_another_camera_is_told(made: Path, tmp_path: Path) -> None:
    """The depth of the camera at the back stands for that at the front."""

    def swap(path: Path, metres: NDArray[np.float64]) -> None:
        front, back = (path.with_name(path.name.replace("camera0", f"camera{number}")) for number in (0, 3))
        if "camera0" in path.name:
            content = front.read_bytes()
            front.write_bytes(back.read_bytes())
            back.write_bytes(content)

    found = rewritten(made, tmp_path / "depth", swap)
    assert found["depth-not-lidar"].severity == "warning"
    assert " of 16 views; " in found["depth-not-lidar"].message


def test_without_points_what_is_usual_in_streets_is_all_there_is(made: Path, tmp_path: Path) -> None:
    root = Path(shutil.copytree(made / "root", tmp_path / "root"))
    for path in root.rglob("*.pcd"):
        path.unlink()
    shutil.copytree(made / "depth", tmp_path / "depth")
    for path in (tmp_path / "depth").rglob("*.png"):
        as_numbers(100)(path, metres_of(path))
    (item,) = check_integrity([root], views=ViewsLook(None, 8, tmp_path / "depth")).items
    (problem,) = (one for one in item.problems if one.code == "depth-unit")
    assert problem.severity == "warning"
    assert "m if it is centimetres" in problem.message


@pytest.mark.parametrize(("factor", "told"), [(1, ["depth-twice"]), (1.5, ["depths-differ", "depth-twice"])])
def test_two_files_of_depth_are_told_and_compared(made: Path, tmp_path: Path, factor: float, told: list[str]) -> None:
    found = rewritten(made, tmp_path / "depth", as_numbers(factor, keep=True))
    assert set(found) - {"depth-not-lidar"} == set(told)
    twice = found["depth-twice"]
    assert (twice.severity, "16 of 16 views have depth as .npy and as .png" in twice.message) == ("warning", True)
    if factor != 1:
        assert "(16 of 16 views that have two; " in found["depths-differ"].message
        assert "_depth.png is not taken" in str(found["depths-differ"])


def test_a_depth_of_another_size_is_told_by_its_sides(made: Path, tmp_path: Path) -> None:
    def small(path: Path, metres: NDArray[np.float64]) -> None:
        if path.name == "000071_camera2_depth.png" and path.parent.name == "641":
            in_colours(path, metres[::2, ::2])

    found = rewritten(made, tmp_path / "depth", small)
    assert list(found) == ["wrong-pixels"]
    assert "000071_camera2_depth.png: expected depth of 40x30 pixels, as camera2 of agent 641 has, got 20x15" in str(
        found["wrong-pixels"]
    )


def test_part_of_the_sets_is_looked_at(made: Path, tmp_path: Path) -> None:
    shutil.copytree(made / "depth", tmp_path / "depth")
    for path in (tmp_path / "depth").rglob("*.png"):
        as_numbers(100)(path, metres_of(path))
    (item,) = check_integrity([made / "root"], views=ViewsLook(None, 1, tmp_path / "depth")).items
    assert "(8 of 8 views with both" in item.problems[0].message
    (item,) = check_integrity([made / "root"], views=ViewsLook(None, 0, tmp_path / "depth")).items
    assert item.problems == ()
    assert replace(item, problems=()).status == "ok"
