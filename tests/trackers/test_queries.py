"""Where points begin: grids, drawn points, points of a file; what is wrong with a file is told by its row."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lapsdata.errors import CorruptDataError, LapsError, SchemaError, StorageError
from lapsdata.geometry import FrameSize, PixelArea, inside_frame, uniform_grid
from lapsmodels.trackers import QueryLayout, query_points

SIZE = FrameSize(width=771, height=480)
AREA = PixelArea(x=20, y=60, width=700, height=360)


def of_file(file: Path, size: FrameSize = SIZE) -> QueryLayout:
    # Count, area and seed are those of the other layouts.
    return query_points("file", size, count=7, area=AREA, seed=3, file=file)


# A grid over the area.


def test_a_uniform_layout_is_the_grid_of_the_area_in_every_window() -> None:
    layout = query_points("uniform", SIZE, count=400, area=AREA, seed=5)
    expected = uniform_grid(SIZE, count=400, area=AREA).points
    assert (layout.kind, layout.order) == ("uniform", "row_major")
    for number in (0, 1, 1000):
        np.testing.assert_array_equal(layout.points(number), expected)
    assert layout.points(0).dtype == np.float32


def test_a_uniform_layout_keeps_to_the_area() -> None:
    points = query_points("uniform", SIZE, count=400, area=AREA).points(0)
    assert points.min(axis=0) == pytest.approx([20 - 0.5 + 14, 60 - 0.5 + 11.25])
    assert points.max(axis=0) == pytest.approx([720 - 0.5 - 14, 420 - 0.5 - 11.25])


def test_a_count_without_a_grid_is_an_error_that_names_others() -> None:
    with pytest.raises(SchemaError, match="no-near-square-grid"):
        query_points("uniform", SIZE, count=13, area=AREA)


# Drawn points.


@settings(max_examples=60)
@given(
    x=st.integers(0, 5000),
    y=st.integers(0, 5000),
    width=st.integers(1, 4000),
    height=st.integers(1, 4000),
    seed=st.integers(0, 2**32),
    number=st.integers(0, 10**6),
    count=st.integers(1, 500),
)
def test_drawn_points_lie_in_the_area(
    x: int, y: int, width: int, height: int, seed: int, number: int, count: int
) -> None:
    area = PixelArea(x=x, y=y, width=width, height=height)
    size = FrameSize(width=x + width, height=y + height)
    points = query_points("random", size, count=count, area=area, seed=seed).points(number)
    assert points.shape == (count, 2)
    assert points.dtype == np.float32
    assert inside_frame(points, size).all()
    assert (points >= [x - 0.5, y - 0.5]).all()


def test_drawn_points_follow_from_seed_and_window_alone() -> None:
    def drawn(seed: int, number: int) -> bytes:
        return query_points("random", SIZE, count=50, area=AREA, seed=seed).points(number).tobytes()

    layout = query_points("random", SIZE, count=50, area=AREA, seed=1)
    backwards = [layout.points(number).tobytes() for number in (4, 3, 2, 1, 0)]
    assert backwards[::-1] == [drawn(1, number) for number in range(5)]
    assert len({drawn(seed, number) for seed in range(6) for number in range(6)}) == 36
    assert (layout.kind, layout.order) == ("random", "none")


def test_drawn_points_do_not_change_between_releases() -> None:
    """Files of other releases say only the seed: what it draws is a promise."""
    points = query_points("random", SIZE, count=3, area=AREA, seed=7).points(2)
    share = np.random.Generator(np.random.PCG64(np.random.SeedSequence([7, 2]))).random((3, 2))
    np.testing.assert_allclose(points, [19.5, 59.5] + share * [700, 360], rtol=1e-6)


def test_drawn_points_cover_the_area_evenly() -> None:
    points = np.concatenate(
        [query_points("random", SIZE, count=500, area=AREA, seed=0).points(number) for number in range(40)]
    )
    cells = np.histogram2d(points[:, 0], points[:, 1], bins=[7, 4], range=[[19.5, 719.5], [59.5, 419.5]])[0]
    assert cells.sum() == len(points)
    expected = len(points) / cells.size
    # 28 cells: beyond six standard deviations by chance once in 10^7 runs, if seeds were not fixed.
    assert np.abs(cells - expected).max() < 6 * np.sqrt(expected)
    assert abs(np.corrcoef(points.T)[0, 1]) < 6 / np.sqrt(len(points))


def test_the_largest_share_is_rounded_into_the_area(monkeypatch: pytest.MonkeyPatch) -> None:
    class Highest:
        @staticmethod
        def random(shape: tuple[int, int]) -> Any:
            return np.full(shape, 1 - 2**-53)

    monkeypatch.setattr(np.random, "default_rng", lambda _: Highest())
    for side in (64, 1000, 4096):
        size = FrameSize(width=side, height=side)
        points = query_points("random", size, count=2, area=PixelArea.whole(size)).points(0)
        assert inside_frame(points, size).all()
        assert points.min() > side - 0.501


# Points of a file.


POINTS = np.array([[0.0, 0.0], [770.25, 479.25], [-0.5, 12.125], [100.0, 33.5]])
TEXTS = {
    "plain": "0,0\n770.25,479.25\n-0.5,12.125\n100,33.5\n",
    "heading": "x,y\n0,0\n770.25,479.25\n-0.5,12.125\n100,33.5\n",
    "spaced": " X , Y \r\n 0 , 0\r\n770.25, 479.25\r\n\r\n-5e-1,12.125\r\n1e2,33.5",
    "marked": "\ufeffx,y\n0,0\n770.25,479.25\n-0.5,12.125\n100,33.5\n",
    "quoted": '"x","y"\n"0","0"\n770.25,479.25\n-0.5,12.125\n100,33.5\n',
}


@pytest.mark.parametrize("kind", TEXTS)
def test_text_is_read_whatever_its_name(kind: str, tmp_path: Path) -> None:
    file = tmp_path / "points.anything"
    file.write_bytes(TEXTS[kind].encode())
    layout = of_file(file)
    assert (layout.kind, layout.order) == ("file", "none")
    for number in (0, 9):
        np.testing.assert_array_equal(layout.points(number), POINTS.astype(np.float32))
    assert layout.points(0).dtype == np.float32


@pytest.mark.parametrize("dtype", ["<f4", "<f8", ">f8", "<f2"])
def test_arrays_are_read_whatever_their_name(dtype: str, tmp_path: Path) -> None:
    rough = POINTS.astype(dtype)
    rough[1] = 700, 400
    with (tmp_path / "points.csv").open("wb") as file:
        np.save(file, rough)
    np.testing.assert_array_equal(of_file(tmp_path / "points.csv").points(0), rough.astype(np.float32))


def test_arrays_of_integers_are_points(tmp_path: Path) -> None:
    np.save(tmp_path / "whole.npy", np.array([[3, 4], [5, 6]], np.uint16))
    np.testing.assert_array_equal(of_file(tmp_path / "whole.npy").points(0), [[3, 4], [5, 6]])


@settings(max_examples=40)
@given(points=st.lists(st.tuples(st.integers(0, 770), st.integers(0, 479)), min_size=1, max_size=30), data=st.data())
def test_a_row_that_is_no_point_is_named(
    points: list[tuple[int, int]], data: st.DataObject, tmp_path_factory: Any
) -> None:
    bad = data.draw(st.sampled_from(["1", "1,2,3", "a,b", "1;2", "1,", "0x10,1", "one two"]))
    at = data.draw(st.integers(0, len(points)))
    heading = data.draw(st.booleans())
    rows = [f"{x},{y}" for x, y in points]
    rows.insert(at, bad)
    file = tmp_path_factory.mktemp("rows") / "points.csv"
    file.write_text("\n".join(["x,y"] * heading + rows))
    with pytest.raises(
        CorruptDataError, match=rf"points\.csv: row {at}: expected two numbers x,y.*\[wrong-row\]"
    ) as told:
        of_file(file)
    assert repr(bad) in str(told.value)


def test_points_outside_are_named_with_their_rows(tmp_path: Path) -> None:
    rows = [(5, 5), (771, 5), (5, 480), (-1, 5), (5, -1), (float("nan"), 5), (float("inf"), 5), (770.5, 5), (770, 479)]
    (tmp_path / "out.csv").write_text("".join(f"{x},{y}\n" for x, y in rows))
    with pytest.raises(SchemaError, match=r"points of the 771x480 frame, got 7 outside: row 1 \(771, 5\)") as told:
        of_file(tmp_path / "out.csv")
    text = str(told.value)
    assert "out.csv" in text
    assert "[outside-frame]" in text
    assert "row 5 (nan, 5)" in text
    assert "row 6" not in text


def test_swapped_points_are_outside_of_a_wide_frame(tmp_path: Path) -> None:
    (tmp_path / "yx.csv").write_text("y,x\n")
    (tmp_path / "swapped.csv").write_text("470,760\n")
    with pytest.raises(SchemaError, match=r"row 0 \(470, 760\).*x before y"):
        of_file(tmp_path / "swapped.csv")
    with pytest.raises(CorruptDataError, match=r"row 0: expected two numbers x,y, got 'y,x'"):
        of_file(tmp_path / "yx.csv")


def npy(array: Any) -> bytes:
    content = io.BytesIO()
    np.save(content, array, allow_pickle=True)
    return content.getvalue()


BROKEN: dict[str, tuple[bytes, type[LapsError], str]] = {
    "empty": (b"", CorruptDataError, r"N >= 1, got \(0, 2\)"),
    "heading-only": (b"x,y\n", CorruptDataError, r"N >= 1, got \(0, 2\)"),
    "bytes": (bytes(range(128, 256)), CorruptDataError, "text with x,y in each line"),
    "npy-cut": (npy(POINTS)[:-9], CorruptDataError, r"\.npy of numbers"),
    "npy-head": (b"\x93NUMPY\x01\x00", CorruptDataError, r"\.npy of numbers"),
    "npy-objects": (npy(np.array([[None, 1]])), CorruptDataError, r"\.npy of numbers"),
    "npy-text": (npy(np.array([["1", "2"]])), CorruptDataError, r"\.npy of numbers, got <U1"),
    "npy-bool": (npy(np.ones((3, 2), bool)), CorruptDataError, r"\.npy of numbers, got bool"),
    "npy-complex": (npy(np.ones((3, 2), complex)), CorruptDataError, r"\.npy of numbers, got complex128"),
    "npy-flat": (npy(np.ones(4)), CorruptDataError, r"expected \(N, 2\) source pixel xy .*, got \(4,\)"),
    "npy-wide": (npy(np.ones((2, 5))), CorruptDataError, r"got \(2, 5\)"),
    "npy-none": (npy(np.ones((0, 2))), CorruptDataError, r"got \(0, 2\)"),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_what_holds_no_points_is_named(kind: str, tmp_path: Path) -> None:
    content, error, why = BROKEN[kind]
    file = tmp_path / f"{kind}.any"
    file.write_bytes(content)
    with pytest.raises(error, match=why) as told:
        of_file(file)
    assert file.name in str(told.value)


def test_no_code_of_a_file_is_run(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> Any:
            return (Path.touch, (tmp_path / "run",))

    np.save(tmp_path / "trap.npy", np.array([[Trap(), 1]], object), allow_pickle=True)
    with pytest.raises(CorruptDataError, match=r"trap\.npy: expected a \.npy of numbers"):
        of_file(tmp_path / "trap.npy")
    assert not (tmp_path / "run").exists()


def test_a_file_that_is_not_there_or_not_given(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=r"absent\.csv: .*no such file"):
        of_file(tmp_path / "absent.csv")
    with pytest.raises(StorageError, match=rf"{tmp_path.name}.*\["):
        of_file(tmp_path)
    with pytest.raises(SchemaError, match=r"query: expected a file of points, got none \[no-queries\]"):
        query_points("file", SIZE, count=1, area=AREA)
