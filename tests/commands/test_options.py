"""Each option does what it says: every test here fails if its option is read and then forgotten."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import lapsdata
from lapsdata import Tracks
from lapsdata.timebase import FrameRate
from lapsdata.video.writer import write_video

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Verb = Callable[..., Any]
    Made = Callable[..., Tracks]


@pytest.fixture
def made(track_here: Verb, clip: Path, tmp_path: Path) -> Made:
    """Track the clip, quickly unless options say otherwise, and read the file; None leaves an option out."""
    outs = (tmp_path / name for name in "abcdefgh")

    def make(*flags: str, video: Path = clip, ending: str = "h5", **options: object) -> Tracks:
        out = next(outs)
        given = {"points": 24, "horizon": 8, "stride": 4, **options}
        words = [
            word
            for name, value in given.items()
            if value is not None
            for word in (f"--{name.replace('_', '-')}", str(value))
        ]
        code, _, err = track_here(video, "--out", out, *words, *flags)
        assert code == 0, err
        return lapsdata.read(out / f"{video.stem}.{ending}", Tracks, verify="always")

    return make


def positions(tracks: Tracks) -> Any:
    return next(iter(tracks.tracks.values()))


def test_without_options_the_defaults_hold(track_here: Verb, clip: Path, tmp_path: Path) -> None:
    assert track_here(clip, "--out", "out").code == 0
    tracks = lapsdata.read(tmp_path / "out" / "clip.h5", Tracks)
    assert tracks.tracks["default"].shape == (3, 16, 400, 2)
    assert tracks.start_index.tolist() == [0, 4, 8]
    header = tracks.header
    assert (header.rate, header.resampled, header.continuous, header.confidence) == (FrameRate(10), False, False, False)
    assert header.tracker.name == "dense_flow"
    assert header.views["default"].grid.kind == "uniform"
    told = header.provenance.parameters
    assert (told["resize_shorter"], told["active_area"], told["profile"]) == (480, "auto", "raw")


@pytest.mark.parametrize(("fps", "every"), [("5", 2), ("2.5", 4), ("10/3", 3)])
def test_fps(made: Made, fps: str, every: int) -> None:
    tracks = made(fps=fps, horizon=4, stride=1)
    assert tracks.header.rate == FrameRate.parse(fps)
    assert tracks.header.resampled
    assert tracks.source_index is not None
    assert tracks.source_index.tolist() == list(range(0, 24, every))
    np.testing.assert_allclose(tracks.frame_s, np.arange(0, 24, every) / 10)
    # The picture moves by one pixel per frame of the source.
    step = np.nanmedian(np.diff(positions(tracks), axis=1)[..., 0])
    assert abs(step - every) < 0.3


def test_resize_shorter(made: Made) -> None:
    full, half, none = made(), made(resize_shorter=32), made(resize_shorter="none")
    assert np.array_equal(positions(full), positions(none), equal_nan=True)
    assert not np.array_equal(positions(full), positions(half), equal_nan=True)
    # Where points begin is a place in the source, whatever they are followed in.
    np.testing.assert_allclose(positions(half)[:, 0], positions(full)[:, 0], atol=1e-3)
    assert (half.header.views["default"].size.width, half.header.views["default"].size.height) == (96, 64)


def test_points(made: Made) -> None:
    assert positions(made(points=12)).shape == (5, 8, 12, 2)


def test_horizon_and_stride(made: Made) -> None:
    tracks = made(horizon=6, stride=7)
    assert positions(tracks).shape == (3, 6, 24, 2)
    assert tracks.start_index.tolist() == [0, 7, 14]
    assert (tracks.header.horizon, tracks.header.stride, tracks.header.uncovered_frames) == (6, 7, 4)


def test_query_uniform_is_a_grid(made: Made) -> None:
    tracks = made(query="uniform")
    first = positions(tracks)[:, 0]
    assert np.array_equal(first[0], first[4])
    assert (len(np.unique(first[0, :, 0])), len(np.unique(first[0, :, 1]))) == (6, 4)


def test_query_random_is_drawn_by_seed(made: Made) -> None:
    plain, zero, one = (positions(made(query="random", seed=seed))[:, 0] for seed in (None, 0, 1))
    assert np.array_equal(plain, zero)
    assert not np.array_equal(zero, one)
    assert len(np.unique(one[0, :, 0])) == 24
    assert not np.array_equal(one[0], one[1])


def test_query_file_holds_the_points(made: Made, tmp_path: Path) -> None:
    points = np.array([[30.5, 20], [64, 48.25]])
    (tmp_path / "points.csv").write_text("x,y\n30.5,20\n64,48.25\n")
    np.save(tmp_path / "points.npy", points)
    for name in ("points.csv", "points.npy"):
        tracks = made(query=tmp_path / name, points=None)
        assert np.array_equal(positions(tracks)[:, 0], np.repeat(points[None], 5, axis=0))
        assert [(parent.role, parent.name) for parent in tracks.header.provenance.parents[1:]] == [("queries", name)]


def test_continuous_windows_are_cut_from_one_path(made: Made) -> None:
    reinit, plain, continuous = (positions(made(*flags)) for flags in (("--reinit",), (), ("--continuous",)))
    assert np.array_equal(reinit, plain, equal_nan=True)
    assert np.array_equal(continuous[0, 4:], continuous[1, :4], equal_nan=True)
    assert not np.array_equal(continuous[1, 0], continuous[0, 0])
    assert np.array_equal(reinit[1, 0], reinit[0, 0])


def test_view(made: Made) -> None:
    assert list(made(view="wrist").tracks) == ["wrist"]


def test_tracker(made: Made) -> None:
    flow, lucas_kanade = made(tracker="dense_flow"), made(tracker="lucas_kanade")
    assert [tracks.header.tracker.name for tracks in (flow, lucas_kanade)] == ["dense_flow", "lucas_kanade"]
    assert not np.array_equal(positions(flow), positions(lucas_kanade), equal_nan=True)


def test_active_area(made: Made, tmp_path: Path) -> None:
    frames = np.random.default_rng(0).integers(60, 255, (8, 64, 96, 3), dtype=np.uint8)
    frames[:, :16] = frames[:, 52:] = 0
    write_video(tmp_path / "boxed.mkv", frames, np.arange(8) / 10, codec="ffv1")
    auto, full = (made(video=tmp_path / "boxed.mkv", active_area=area).header for area in ("auto", "full"))
    areas = [header.views["default"].active_area for header in (auto, full)]
    assert [(area.x, area.y, area.width, area.height) for area in areas] == [(0, 16, 96, 36), (0, 0, 96, 64)]


def test_confidence(made: Made) -> None:
    without, with_it = made(), made("--confidence")
    assert without.confidence is None
    assert with_it.confidence is not None
    assert with_it.confidence["default"].shape == (5, 8, 24)
    assert np.array_equal(positions(with_it), positions(without), equal_nan=True)


def test_to_names_the_format(made: Made, tmp_path: Path) -> None:
    hdf5, zarr = made(to="hdf5"), made(to="zarr", ending="zarr")
    assert (tmp_path / "b" / "clip.zarr").is_dir()
    assert np.array_equal(positions(hdf5), positions(zarr), equal_nan=True)


def test_profile_and_rounding(made: Made) -> None:
    raw, compact, coarse, exact = (
        positions(made(profile=profile, round_px=step))
        for profile, step in (("raw", None), ("compact", None), ("compact", 0.25), ("compact", "none"))
    )
    known = np.isfinite(raw)
    for rounded, step in ((compact, 1 / 64), (coarse, 1 / 4)):
        assert np.abs(rounded[known] - raw[known]).max() <= step / 2
        assert not np.array_equal(rounded[known], raw[known])
        steps = np.diff(rounded, axis=1)[np.diff(known, axis=1) == 0] / step
        assert np.array_equal(steps[np.isfinite(steps)], np.round(steps[np.isfinite(steps)]))
    assert np.array_equal(exact[known], raw[known])


def test_recursive_match_and_limit_choose_videos(track_here: Verb, folder: Path, tmp_path: Path) -> None:
    choices = {
        (): (["S1_a", "S2_b"], 0, 0),
        ("--recursive",): (["S1_a", "S2_b", "more__S2_c"], 0, 0),
        ("--match", "S2_*"): (["S2_b"], 1, 0),
        ("--recursive", "--match", "S2_*"): (["S2_b", "more__S2_c"], 1, 0),
        ("--limit", "1"): (["S1_a"], 0, 1),
        ("--recursive", "--match", "*_[bc]", "--limit", "1"): (["S2_b"], 1, 1),
    }
    for number, (options, (names, unmatched, beyond_limit)) in enumerate(choices.items()):
        code, out, _ = track_here(folder, "--out", tmp_path / f"{number}", "--points", 12, "--json", *options)
        document = json.loads(out)
        assert code == 0
        assert [item["name"] for item in document["items"]] == names
        assert document["left_out"] == {"unmatched": unmatched, "beyond_limit": beyond_limit}
        assert sorted(path.stem for path in (tmp_path / f"{number}").glob("*.h5")) == sorted(names)


def test_what_is_left_out_is_told_in_words(track_here: Verb, folder: Path, quick: tuple[str, ...]) -> None:
    done = track_here(folder, "--recursive", "--out", "out", "--match", "S2_*", "--limit", 1, *quick)
    assert done.out.splitlines()[-1] == "left out  1 by match, 1 by limit"
    assert "left out" not in track_here(folder, "--out", "out", *quick).out


def test_what_was_repeated_or_dropped_is_told_in_words(track_here: Verb, folder: Path, tmp_path: Path) -> None:
    done = track_here(folder, "--out", "out", "--fps", 15, "--points", 24, "--horizon", 8, "--stride", 9)
    size = sum(path.stat().st_size for path in (tmp_path / "out").glob("*.h5"))
    assert done.out.splitlines() == [
        "items    2",
        "made     2",
        "windows  8",
        f"written  {size:,} bytes",
        "quality  0.05 px from the truth, as estimated",
        "source   24 frames duplicated, 0 dropped, 2 uncovered at the end",
    ]
    assert track_here(folder, "--out", "out", "--fps", 15, "--points", 24, "--horizon", 8, "--stride", 9).out == (
        "items  2\nkept   2\n"
    )


def test_a_rate_above_that_of_the_videos_is_told_with_counts(
    track_here: Verb, folder: Path, tmp_path: Path, quick: tuple[str, ...]
) -> None:
    told = (
        "warning: S1_a{}: --fps {} is above the 10 frames per second of S1_a, so {} frames show one of the source again"
    )
    both = track_here(folder, "--out", "both", "--fps", 15, *quick)
    assert (both.code, both.fates) == (0, "items 2, made 2")
    assert [line for line in both.err.splitlines() if "warning" in line] == [
        told.format(" and 1 more videos", 15, "24 of 72")
    ]
    one = track_here(folder / "S1_a.mp4", "--out", "one", "--fps", 1000, *quick)
    assert told.format("", 1000, "2,376 of 2,400") in one.err.splitlines()
    # Nothing of it where nothing is made, nor at the rate of the videos, nor below.
    assert "warning" not in track_here(folder, "--out", "both", "--fps", 15, *quick).err
    for fps in (10, 5):
        assert "warning" not in track_here(folder, "--out", "both", "--fps", fps, *quick).err


@pytest.mark.parametrize("fps", ["1e8", "2000000000"])
def test_a_rate_that_no_video_is_meant_for_blames_the_option(
    track_here: Verb, clip: Path, fps: str, quick: tuple[str, ...]
) -> None:
    done = track_here(clip, "--out", "out", "--fps", fps, *quick)
    assert (done.code, done.fates) == (1, "items 1, failed 1")
    (line,) = (line for line in done.err.splitlines() if line.startswith("error: "))
    assert line.startswith(f"error: clip: {clip}: --fps: expected ")
    assert line.endswith("; give a lower --fps [rate-too-high]")
    assert "seconds?" not in line


def test_a_working_size_that_is_too_small_is_told_with_what_is_not(
    track_here: Verb, clip: Path, quick: tuple[str, ...]
) -> None:
    done = track_here(clip, "--out", "out", "--resize-shorter", 8, *quick)
    assert (done.code, done.fates) == (1, "items 1, failed 1")
    assert (
        "error: clip: --resize-shorter 8: expected at least 32 pixels on each side, got 12x8 of 96x64 reduced: "
        "dense_flow works on nothing smaller; give more, or leave it out [frame-too-small]"
    ) in done.err
    assert track_here(clip, "--out", "out", "--resize-shorter", 32, *quick).code == 0
    assert track_here(clip, "--out", "small", "--resize-shorter", 8, "--tracker", "lucas_kanade", *quick).code == 0


def test_a_video_that_is_too_small_itself_is_not_blamed_on_an_option(
    track_here: Verb, tmp_path: Path, quick: tuple[str, ...]
) -> None:
    write_video(tmp_path / "tiny.mkv", np.zeros((12, 16, 24, 3), np.uint8), np.arange(12) / 10, codec="ffv1")
    done = track_here(tmp_path / "tiny.mkv", "--out", "out", *quick)
    assert "expected at least 32 pixels on each side, got 24x16; track larger" in done.err
    assert "--resize-shorter" not in done.err


def test_points_outside_of_one_video_fail_that_video_alone(track_here: Verb, clip: Path, tmp_path: Path) -> None:
    (tmp_path / "points.csv").write_text("60,50\n")
    write_video(tmp_path / "low.mkv", np.zeros((12, 40, 96, 3), np.uint8), np.arange(12) / 10, codec="ffv1")
    done = track_here(clip, tmp_path / "low.mkv", "--out", "out", "--query", "points.csv", "--horizon", 8)
    assert (done.code, done.fates) == (1, "items 2, made 1, failed 1")
    assert "error: low: points.csv: expected points of the 96x40 frame, got 1 outside: row 0 (60, 50)" in done.err


def test_workers(track_here: Verb, one_process: list[int], folder: Path, quick: tuple[str, ...]) -> None:
    for workers in (1, 3):
        assert track_here(folder, "--out", f"{workers}", "--workers", workers, *quick).code == 0
    assert one_process == [1, 3]


def test_two_processes_make_the_bytes_that_one_makes(
    track: Verb, track_here: Verb, folder: Path, tmp_path: Path, quick: tuple[str, ...]
) -> None:
    assert track_here(folder, "--out", "one", *quick).code == 0
    assert track(folder, "--out", "two", "--workers", 2, *quick).code == 0
    for name in ("S1_a.h5", "S2_b.h5"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


@pytest.mark.parametrize(
    ("options", "code", "told"),
    [
        (["--fps", "ten"], 1, "ten"),
        (["--fps", "0"], 1, "0"),
        (["--resize-shorter", "big"], 2, "--resize-shorter: expected a number or none, got 'big'"),
        (["--resize-shorter", "0"], 1, "resize_shorter"),
        (["--tracker", "dense_flo"], 1, "did you mean 'dense_flow'"),
        (["--to", "parquet"], 1, "expected one of tracks_hdf5 (hdf5), tracks_zarr (zarr), got 'parquet'"),
        (["--query", "unifrom"], 2, "expected uniform, random, or a file of points x,y; got 'unifrom'"),
        (["--query", "sub"], 1, "expected a file of points, got a folder"),
        (["--query", "fifo"], 1, "got a pipe, socket or device"),
        (["--query", "bad.csv"], 1, "error: bad.csv: row 1: expected two numbers x,y, got '2,foo'"),
        (["--query", "bad.npy"], 1, "error: bad.npy: expected (N, 2) source pixel xy with N >= 1, got (3,)"),
        (["--query", "points.csv", "--points", "5"], 2, "--points: a file of points has its own number of them"),
        (["--seed", "1"], 2, "--seed: only with --query random"),
        (["--round-px", "0.5"], 2, "--round-px: only with --profile compact"),
        (["--profile", "compact", "--round-px", "-1"], 1, "round_px"),
        (["--horizon", "1"], 2, "--horizon"),
        (["--points", "0"], 2, "--points"),
        (["--limit", "0"], 2, "--limit"),
        (["--workers", "0"], 2, "--workers"),
        (["--view", "a/b"], 1, "view"),
        (["--fsp", "10"], 2, "--fps"),
    ],
)
def test_wrong_options_are_told_before_any_work(
    track_here: Verb, clip: Path, tmp_path: Path, options: list[str], code: int, told: str
) -> None:
    (tmp_path / "sub").mkdir()
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "points.csv").write_text("x,y\n1,1\n")
    (tmp_path / "bad.csv").write_text("x,y\n1,1\n2,foo\n")
    np.save(tmp_path / "bad.npy", np.zeros(3))
    ended, out, err = track_here(clip, "--out", "out", *options)
    assert (ended, out) == (code, "")
    assert told in " ".join(err.split())
    assert "Traceback" not in err
    assert not list(tmp_path.glob("out/*.h5"))
    assert "look at videos" not in err
