"""Frames of any source are tracked as those of a file are: the same, changed on the way, or written anew."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import lapsdata
from lapsdata import Tracks
from lapsdata.errors import LengthMismatchError
from lapsdata.geometry import FrameSize
from lapsdata.schema.invariance import VideoChange
from lapsdata.timebase import FrameRate
from lapsdata.video.changes import ChangedVideo, half_size, letterboxed, mirrored
from lapsdata.video.reader import open_video
from lapsdata.video.sources import source_digest
from lapsdata.video.writer import write_video
from lapsmodels.stages.track import track_frames, track_video

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from lapsdata.video.frame import FrameSource
    from lapsmodels.stages.track_options import TrackOptions

    Image = NDArray[np.uint8]

SAME = VideoChange(kind="none")


def changed(video: Path, change: VideoChange) -> Callable[[Any], contextlib.AbstractContextManager[FrameSource]]:
    @contextlib.contextmanager
    def opened(pixels: Any) -> Iterator[ChangedVideo]:
        with open_video(video, pixels=pixels) as reader:
            yield ChangedVideo(reader, change)

    return opened


def tracked(video: Path, target: Path, change: VideoChange, options: TrackOptions) -> Tracks:
    track_frames(changed(video, change), target, options, where="here", name=video.stem, digest=source_digest(video))
    return lapsdata.read(target, Tracks, verify="always")


def test_an_unchanged_source_gives_the_bytes_of_the_file(noise_video: Path, tmp_path: Path, few: TrackOptions) -> None:
    both = few.model_copy(update={"compare_with": "lucas_kanade"})
    track_video(noise_video, tmp_path / "file.h5", both)
    tracked(noise_video, tmp_path / "source.h5", SAME, both)
    assert (tmp_path / "source.h5").read_bytes() == (tmp_path / "file.h5").read_bytes()


@pytest.mark.parametrize(
    ("change", "made"),
    [
        (VideoChange(kind="half_size"), half_size),
        (VideoChange(kind="mirrored"), mirrored),
        (VideoChange(kind="letterboxed", bar_share=0.25), lambda image: letterboxed(image, 0.25)),
    ],
)
def test_a_change_on_the_way_is_that_of_a_file_with_such_pictures(
    change: VideoChange, made: Callable[[Image], Image], noise_video: Path, tmp_path: Path, few: TrackOptions
) -> None:
    # Without loss, and gray as the tracker sees it.
    with open_video(noise_video, pixels="gray") as reader:
        images = [np.repeat(made(frame.image)[..., None], 3, axis=2) for frame in reader.frames()]
        times = reader.facts.frame_s
    write_video(tmp_path / "changed.mkv", images, times, codec="ffv1")
    track_video(tmp_path / "changed.mkv", tmp_path / "file.h5", few)
    expected = lapsdata.read(tmp_path / "file.h5", Tracks)
    found = tracked(noise_video, tmp_path / "source.h5", change, few)
    assert found.header.views["default"].size == expected.header.views["default"].size
    assert found.header.views["default"].active_area == expected.header.views["default"].active_area
    np.testing.assert_array_equal(found.tracks["default"], expected.tracks["default"])
    np.testing.assert_array_equal(found.vis["default"], expected.vis["default"])


def test_a_mirrored_picture_moves_the_other_way(noise_video: Path, tmp_path: Path, few: TrackOptions) -> None:
    # The picture moves right by one pixel a frame.
    for name, change, right in (
        ("same", SAME, 1.0),
        ("mirrored", VideoChange(kind="mirrored"), -1.0),
        ("reversed", VideoChange(kind="reversed"), -1.0),
        ("half_size", VideoChange(kind="half_size"), 0.5),
        ("boxed", VideoChange(kind="letterboxed", bar_share=0.2), 1.0),
        ("noisy", VideoChange(kind="noisy", sigma=4.0, seed=0), 1.0),
    ):
        found = tracked(noise_video, tmp_path / f"{name}.h5", change, few)
        steps = np.diff(found.tracks["default"], axis=1)
        seen = found.vis["default"][:, 1:] & found.vis["default"][:, :-1]
        assert np.median(steps[seen][:, 0]) == pytest.approx(right, abs=0.1), name
        assert np.median(steps[seen][:, 1]) == pytest.approx(0.0, abs=0.1), name


def test_bars_get_no_points(noise_video: Path, tmp_path: Path, few: TrackOptions) -> None:
    found = tracked(noise_video, tmp_path / "boxed.h5", VideoChange(kind="letterboxed", bar_share=0.25), few)
    view = found.header.views["default"]
    assert (view.size.frame, view.active_area.y, view.active_area.height) == (
        FrameSize(width=128, height=144), 24, 96,
    )  # fmt: skip
    first = found.tracks["default"][:, 0]
    assert (first[..., 1] >= 24).all()
    assert (first[..., 1] < 120).all()


def test_frames_are_those_of_the_changed_rate_and_the_windows_have_theirs(
    noise_video: Path, tmp_path: Path, few: TrackOptions
) -> None:
    # 24 frames at 10 per second, shown at 30, and windows at 10 of that again: the same frames.
    change = VideoChange(kind="rate", rate=FrameRate(30))
    again = tracked(noise_video, tmp_path / "again.h5", change, few.model_copy(update={"rate": FrameRate(10)}))
    same = tracked(noise_video, tmp_path / "same.h5", SAME, few)
    np.testing.assert_array_equal(again.tracks["default"], same.tracks["default"])
    np.testing.assert_allclose(again.frame_s, same.frame_s)
    assert (again.header.duplicated_frames, again.header.dropped_frames) == (0, 48)
    own = tracked(noise_video, tmp_path / "own.h5", change, few)
    assert own.header.rate == FrameRate(30)
    assert len(own.frame_s) == 72
    assert not own.header.resampled


def test_a_source_that_is_too_short_is_named_as_it_is_called(
    noise_video: Path, tmp_path: Path, few: TrackOptions
) -> None:
    change = VideoChange(kind="rate", rate=FrameRate(2))
    with pytest.raises(LengthMismatchError, match=r"here: expected at least one window of 8 frames, got 5 frames"):
        tracked(noise_video, tmp_path / "short.h5", change, few)
    assert not (tmp_path / "short.h5").exists()
