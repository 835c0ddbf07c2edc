"""Which frames are tracked and when each of them is, for videos that start late, have gaps or no rate at all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lapsdata import LengthMismatchError, SchemaError
from lapsdata.geometry import FrameSize
from lapsdata.timebase import FrameRate
from lapsdata.video.facts import VideoFacts
from lapsdata.video.sources import images_rate
from lapsmodels.stages.timeline import timeline

if TYPE_CHECKING:
    from pathlib import Path


def facts(frame_s: Any, rate: FrameRate | None, last_s: float = 0.1) -> VideoFacts:
    """Describe a video whose frames are at these times, its last one shown for `last_s`."""
    times, size = np.array(frame_s, np.float64), FrameSize(width=64, height=48)
    told: dict[str, Any] = {"name": "clip", "path": None, "codec": "h264", "container": "mov", "pixel_format": "gray"}
    told |= {"coded_size": size, "rotation": 0, "size": size, "rate": rate, "time_base": None, "frame_s": times}
    told |= {"keyframes": np.array([0]), "end_s": times[-1] + last_s, "variable": rate is None, "reordered": False}
    return VideoFacts(**told)


def test_without_a_rate_the_frames_are_the_videos_own() -> None:
    late = [7.0, 7.1, 7.2, 7.3]
    for rate in (FrameRate(10), None):
        frames = timeline(facts(late, rate), None)
        assert frames.frame_s.tolist() == late
        assert frames.source_index.tolist() == [0, 1, 2, 3]
        assert (frames.rate, frames.resampled, frames.duplicated, frames.dropped) == (rate, False, 0, 0)


def test_its_own_rate_resamples_nothing() -> None:
    assert not timeline(facts([7.0, 7.1, 7.2], FrameRate(10)), FrameRate(10)).resampled


def test_a_grid_begins_with_the_first_frame_and_not_at_zero() -> None:
    frames = timeline(facts([7.0, 7.1, 7.2, 7.3], FrameRate(10)), FrameRate(5))
    np.testing.assert_allclose(frames.frame_s, [7.0, 7.2])
    assert frames.source_index.tolist() == [0, 2]
    assert (frames.rate, frames.resampled, frames.duplicated, frames.dropped) == (FrameRate(5), True, 0, 2)


def test_a_gap_shows_the_nearest_frame_again_and_is_counted() -> None:
    frames = timeline(facts([0.0, 0.1, 0.46], None), FrameRate(10))
    assert frames.source_index.tolist() == [0, 1, 1, 2, 2, 2]
    assert (frames.duplicated, frames.dropped) == (3, 0)


@settings(max_examples=60)
@given(
    gaps=st.lists(st.floats(0.001, 0.5), min_size=1, max_size=30),
    start=st.floats(0, 1e4),
    rate=st.integers(1, 60),
)
def test_each_time_shows_the_nearest_frame_there_is(gaps: list[float], start: float, rate: int) -> None:
    times = start + np.cumsum([0.0, *gaps])
    frames = timeline(facts(times, None), FrameRate(rate))
    far = np.abs(times[frames.source_index] - frames.frame_s)
    assert (far <= np.abs(times[:, None] - frames.frame_s).min(axis=0) + 1e-9).all()
    np.testing.assert_allclose(frames.frame_s, times[0] + np.arange(len(frames)) / rate, atol=1e-6)
    shown = np.unique(frames.source_index)
    assert frames.duplicated == len(frames) - len(shown)
    assert frames.dropped == len(times) - len(shown)


def test_windows_are_cut_from_the_start_and_the_rest_is_counted() -> None:
    frames = timeline(facts(np.arange(23) / 10, FrameRate(10)), None)
    starts, uncovered = frames.windows(8, 4, "clip.mp4")
    assert (starts.tolist(), uncovered) == ([0, 4, 8, 12], 3)


@pytest.mark.parametrize(
    ("count", "rate", "told"),
    [
        (5, None, "got 5 frames; use --horizon 5 or less: windows are never padded"),
        (10, FrameRate(5), "got 5 frames at 5 frames per second; use --horizon 5 or less, or a higher --fps: windows"),
        (1, None, r"got 1 frames \[too-short\]"),
    ],
)
def test_too_short(count: int, rate: FrameRate | None, told: str) -> None:
    frames = timeline(facts(np.arange(count) / 10, FrameRate(10)), rate)
    with pytest.raises(LengthMismatchError, match=rf"clip\.mp4: expected at least one window of 16 frames, {told}"):
        frames.windows(16, 4, "clip.mp4")


def test_only_folders_of_images_are_opened_with_a_rate(tmp_path: Path) -> None:
    for video in ("clip.mp4", tmp_path / "clip.mp4", "https://host/clip.mp4"):
        assert images_rate(video, FrameRate(10)) is None
        assert images_rate(video, None) is None
    assert images_rate(tmp_path, FrameRate(10)) == FrameRate(10)
    with pytest.raises(SchemaError, match=r"expected the rate of a folder of images, .* got none; give --fps"):
        images_rate(tmp_path, None)
