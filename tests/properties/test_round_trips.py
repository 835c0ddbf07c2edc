"""Whatever a container may hold comes back from every store: same numbers, same NaN, same header."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lapsdata.errors import SchemaError
from lapsdata.formats import tracks_hdf5, tracks_zarr
from lapsdata.testing import strategies
from lapsdata.testing.contracts import format_cases, sample_of, strategy_of
from lapsdata.testing.samples import sample_tracks

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from _pytest.mark import ParameterSet

    from lapsdata.containers import Container, Tracks
    from lapsdata.formats import Format
    from lapsdata.testing.contracts import FormatCase

    Place = Callable[[str], Path]

ROUNDINGS = (1 / 64, 1 / 4, 0.1, 3.0)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """Give a fresh path at each call; one folder for all draws, since fixtures live as long as the test."""
    folder, number = tmp_path_factory.mktemp("round"), itertools.count()
    return lambda suffix: folder / f"item-{next(number)}{suffix}"


def expect_same(case: FormatCase, path: Path, container: Container) -> None:
    report = case.write(path, container)
    back = case.format.read(path)
    assert container.equals(back), f"{container!r} came back as {back!r}"
    # equals() takes -0.0 for 0.0 and one NaN for another; numbers must come back to the bit.
    mine, theirs = dict(container.arrays()), dict(back.arrays())
    for name, array in mine.items():
        finite = np.isfinite(array)
        assert array[finite].tobytes() == theirs[name][finite].tobytes()
    assert report.largest_error_px == 0.0


# Found by place: a new module in lapsdata/formats is drawn for without being listed.
CASES = format_cases()
# Folders of many small files take ten times as long as one file.
DRAWS = {"zarr": 15}
EDGES: dict[str, dict[str, Any]] = {
    "tracks": {"windows": 1, "horizon": 1, "points": 1},
    "tokens": {"windows": 1, "horizon": 2},
    "energies": {"steps": 0},
}


def titles() -> list[ParameterSet]:
    return [
        pytest.param(title, marks=pytest.mark.slow if case.format.store in DRAWS else ())
        for title, case in CASES.items()
    ]


@pytest.mark.parametrize("title", titles())
def test_whatever_a_container_may_hold_comes_back(place: Place, title: str) -> None:
    case = CASES[title]

    @settings(max_examples=DRAWS.get(case.format.store, 50))
    @given(strategy_of(case.format.record))
    def check(container: Container) -> None:
        expect_same(case, place(case.format.suffixes[0]), container)

    check()


@pytest.mark.parametrize("title", CASES)
def test_the_smallest_comes_back(place: Place, title: str) -> None:
    case = CASES[title]
    expect_same(
        case, place(case.format.suffixes[0]), sample_of(case.format.record, **EDGES.get(case.format.record, {}))
    )


def expect_rounded(written: Tracks, back: Tracks, step: float, largest: float) -> None:
    """Compare with the promise: half a step and one unit in the last place; NaN stays; nothing else changes."""
    found = 0.0
    for view, given_positions in written.tracks.items():
        kept = back.tracks[view]
        assert np.array_equal(np.isnan(given_positions), np.isnan(kept))
        assert np.array_equal(written.vis[view], back.vis[view])
        here = ~np.isnan(given_positions)
        before, after = given_positions[here], kept[here]
        error = np.abs(before.astype(np.float64) - after.astype(np.float64))
        assert (error <= step / 2 + np.spacing(np.abs(before)).astype(np.float64)).all()
        found = max(found, float(error.max(initial=0.0)))
    assert largest == found
    assert written.header == back.header
    assert np.array_equal(written.frame_s, back.frame_s)
    assert np.array_equal(written.start_index, back.start_index)


@settings(max_examples=40)
@given(strategies.tracks(), st.sampled_from(ROUNDINGS))
def test_compact_hdf5_differs_by_half_a_step_at_most(place: Place, tracks: Tracks, step: float) -> None:
    path = place(".h5")
    report = tracks_hdf5.write(path, tracks, profile="compact", round_px=step)
    expect_rounded(tracks, tracks_hdf5.read(path), step, report.largest_error_px)


@pytest.mark.slow
@settings(max_examples=12)
@given(strategies.tracks(max_windows=2), st.sampled_from(ROUNDINGS))
def test_compact_zarr_differs_by_half_a_step_at_most(place: Place, tracks: Tracks, step: float) -> None:
    path = place(".zarr")
    report = tracks_zarr.write(path, tracks, profile="compact", round_px=step)
    expect_rounded(tracks, tracks_zarr.read(path), step, report.largest_error_px)


def test_rounded_twice_is_rounded_once(tmp_path: Path) -> None:
    tracks_hdf5.write(tmp_path / "one.h5", sample_tracks(windows=9), profile="compact")
    once = tracks_hdf5.read(tmp_path / "one.h5")
    assert not once.equals(sample_tracks(windows=9))
    report = tracks_hdf5.write(tmp_path / "two.h5", once, profile="compact")
    assert report.largest_error_px == 0.0
    assert (tmp_path / "one.h5").read_bytes() == (tmp_path / "two.h5").read_bytes()


@pytest.mark.parametrize("step", [0.0, -1.0, float("nan"), float("inf")])
@pytest.mark.parametrize("plugin", [tracks_hdf5.PLUGIN, tracks_zarr.PLUGIN], ids=lambda plugin: plugin.name)
def test_a_step_that_is_none_is_refused(plugin: Format[Any], step: float, tmp_path: Path) -> None:
    with pytest.raises(SchemaError, match="round_px: expected a step above 0 pixels"):
        plugin.write(tmp_path / "clip", sample_tracks(), profile="compact", round_px=step)
    assert list(tmp_path.iterdir()) == []


def test_positions_too_large_for_the_step_are_refused(tmp_path: Path) -> None:
    """3e38 to a multiple of 2e38 would be 4e38, which no float32 holds: infinity is no rounding."""
    tracks = sample_tracks(windows=1)
    far = {"default": np.full_like(tracks.tracks["default"], 3e38)}
    huge = type(tracks)(tracks.header, far, tracks.vis, tracks.start_index, tracks.frame_s)
    with pytest.raises(SchemaError, match="round_px: expected positions that stay finite"):
        tracks_hdf5.write(tmp_path / "clip.h5", huge, profile="compact", round_px=2e38)
    with pytest.raises(SchemaError, match="round_px: expected positions that stay finite"):
        tracks_hdf5.write(tmp_path / "clip.h5", huge, profile="compact", round_px=1e-300)
    assert list(tmp_path.iterdir()) == []
