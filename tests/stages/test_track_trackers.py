"""Which tracker is taken, what it is told, what it is made from, and what another one says beside it."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np
import pytest

import lapsdata
from lapsdata import Tracks
from lapsdata.errors import PluginError, SchemaError
from lapsdata.plugins import registry
from lapsdata.provenance import path_digest
from lapsdata.video.sources import find_videos
from lapsmodels.stages import track_many
from lapsmodels.stages.track import chosen_trackers, track_video
from lapsmodels.stages.track_many import track_videos
from lapsmodels.stages.track_options import TrackOptions
from lapsmodels.stages.track_report import Tracked, TrackReport
from lapsmodels.trackers.lucas_kanade import LucasKanade

if TYPE_CHECKING:
    from pathlib import Path


def tracked(video: Path, target: Path, options: TrackOptions) -> Tracks:
    track_video(video, target, options)
    return lapsdata.read(target, Tracks, verify="always")


def test_another_tracker_beside_it_changes_nothing_but_what_is_told(scene_video: Path, tmp_path: Path) -> None:
    options = TrackOptions(points=48, horizon=8, stride=8, resize_shorter=120)
    alone = tracked(scene_video, tmp_path / "alone.h5", options)
    both = tracked(scene_video, tmp_path / "both.h5", options.model_copy(update={"compare_with": "lucas_kanade"}))
    np.testing.assert_array_equal(alone.tracks["default"], both.tracks["default"])
    np.testing.assert_array_equal(alone.vis["default"], both.vis["default"])
    lucas = tracked(scene_video, tmp_path / "lucas.h5", options.model_copy(update={"tracker": "lucas_kanade"}))
    said, before = (one.header.views["default"].quality for one in (both, alone))
    assert said is not None
    assert before is not None
    assert before.agreement is None
    assert said.agreement is not None
    see = (both.vis["default"] & lucas.vis["default"])[:, 1:]
    apart = np.linalg.norm((both.tracks["default"] - lucas.tracks["default"])[:, 1:][see], axis=-1)
    # Half size: what counts as at most 16 working pixels is 32 of the source.
    assert said.agreement.at_most_px == pytest.approx(32)
    assert said.agreement.positions == see.sum()
    assert said.agreement.mean_px == pytest.approx(np.minimum(apart, 32).mean(), rel=1e-5)
    assert said.expected_error_px != before.expected_error_px


def test_the_error_that_is_told_is_near_the_truth(scene_video: Path, tmp_path: Path) -> None:
    report = track_video(scene_video, tmp_path / "clip.h5", TrackOptions(points=48, horizon=8, stride=8))
    quality = lapsdata.read(tmp_path / "clip.h5", Tracks).header.views["default"].quality
    assert quality is not None
    assert report.expected_error_px == quality.expected_error_px
    assert report.expected_error_px is not None
    assert 0.01 < report.expected_error_px < 1


def test_a_tracker_is_not_compared_with_itself_or_with_one_that_is_not_there() -> None:
    with pytest.raises(SchemaError, match=r"compare_with: .*got 'dense_flow' twice.*\[same-tracker\]"):
        chosen_trackers(TrackOptions(compare_with="dense_flow"))
    with pytest.raises(PluginError, match="got 'lucas'"):
        chosen_trackers(TrackOptions(compare_with="lucas"))


def test_what_a_tracker_is_told_is_in_the_header(scene_video: Path, tmp_path: Path) -> None:
    options = TrackOptions(tracker="lucas_kanade", tracker_options={"levels": 1}, points=24, horizon=8, stride=32)
    header = tracked(scene_video, tmp_path / "clip.h5", options).header
    assert header.tracker.parameters == LucasKanade(levels=1).parameters
    assert header.provenance.parameters["tracker_options"] == {"levels": 1}
    with pytest.raises(SchemaError, match=r"options of lucas_kanade: sides: expected one of back_error_px"):
        track_video(scene_video, tmp_path / "other.h5", options.model_copy(update={"tracker_options": {"sides": 1}}))
    assert not (tmp_path / "other.h5").exists()


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Weighed(LucasKanade):
    """A tracker with weights in a file, and a notice."""

    checkpoint: str = ""
    notice = "weighed: not for sale"


def test_weights_are_parents_and_a_notice_is_told_once(
    noise_video: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    weights = tmp_path / "weights.pt"
    weights.write_text("one")
    monkeypatch.setitem(registry("trackers")._objects, "lucas_kanade", _Weighed())
    options = TrackOptions(
        tracker="lucas_kanade", tracker_options={"checkpoint": str(weights)}, points=24, horizon=8, stride=8
    )
    header = tracked(noise_video, tmp_path / "noise.h5", options).header
    assert [(one.role, one.name, one.digest) for one in header.provenance.parents[1:]] == [
        ("weights", "weights.pt", path_digest(weights))
    ]
    tracks = tmp_path / "tracks"
    tracks.mkdir()
    (tmp_path / "noise.h5").rename(tracks / "noise.h5")
    monkeypatch.setattr(track_many, "carry_out_shown", lambda todo, *_, **__: [job.found.state for job in todo.jobs])
    videos = find_videos(noise_video)
    assert track_videos(videos, tracks, options) == ["done"]
    assert "not for sale" not in capsys.readouterr().err
    weights.write_text("another")
    assert track_videos(videos, tracks, options) == ["changed"]
    assert capsys.readouterr().err.count("track: weighed: not for sale") == 1


def test_the_report_names_the_video_that_is_worst() -> None:
    from pathlib import Path as AnyPath

    from lapsdata.execution.report import Entry

    def entry(name: str, error: float | None) -> Entry[Tracked]:
        made = Tracked(nbytes=1, windows=1, frames=8, duplicated=0, dropped=0, uncovered=0, expected_error_px=error)
        return Entry(name, AnyPath(f"{name}.h5"), "made", result=made)

    some = TrackReport((entry("a", 0.2), entry("b", 3.456), entry("c", None), entry("d", 0.4)))
    assert some.facts["quality"] == "0.40 px from the truth, as estimated; 3.46 px in b"
    assert [item["made"]["expected_error_px"] for item in some.as_json()["items"]] == [0.2, 3.456, None, 0.4]
    assert TrackReport((entry("a", 0.2),)).facts["quality"] == "0.20 px from the truth, as estimated"
    assert "quality" not in TrackReport((entry("c", None),)).facts
