"""Episodes as videos: the frames of their rows and no others, whatever the layout."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import lapsdata
from lapsdata.errors import SchemaError
from lapsdata.stages import _episode_videos
from lapsdata.stages._episode_videos import cut_episodes
from lapsdata.testing.episode_sets import CAMERA, drawn_frame, write_lerobot
from lapsdata.video.reader import open_video
from lapsdata.video.sources import source_digest
from lapsdata.video.writer import write_video

if TYPE_CHECKING:
    from pathlib import Path

    from lapsdata.stages._episode_videos import EpisodeVideo

# Of the sets whose rows begin at one period: `frames_of_rows` tells it, and its tests hold that.
pytestmark = pytest.mark.filterwarnings("ignore:.*time-offset")

LENGTHS = (4, 6, 5, 3)
VIDEO = f"videos/{CAMERA}/chunk-000/file-000.mp4"


def brightness(video: EpisodeVideo) -> list[float]:
    with open_video(video.item.path) as opened:
        assert opened.facts.frame_s == pytest.approx(video.row_s, abs=1e-6)
        return [float(frame.image.mean()) for frame in opened.frames()]


def drawn(episode: int) -> list[float]:
    return [float(drawn_frame(episode, row).mean()) for row in range(LENGTHS[episode])]


@pytest.mark.parametrize("version", ["v2.0", "v2.1"])
def test_a_video_of_one_episode_is_taken_as_it_is(version: str, tmp_path: Path) -> None:
    root = write_lerobot(tmp_path / "set", version=version, lengths=LENGTHS, videos=True, start_s=0.1)
    found = cut_episodes(lapsdata.open_steps(root), CAMERA, tmp_path / "videos")
    assert found.counts == {"whole": 4, "copied": 0, "encoded": 0}
    assert not (tmp_path / "videos").exists()
    assert [one.item.name for one in found.videos] == [f"set_episode_{at:06d}" for at in range(4)]
    for one in found.videos:
        assert one.row_s == pytest.approx(np.arange(LENGTHS[one.number]) / 10)
        assert brightness(one) == pytest.approx(drawn(one.number), abs=3)


@pytest.mark.parametrize(("gop", "copied"), [(1, 3), (10, 1)])
def test_frames_of_an_episode_are_cut_out_of_a_video_of_several(gop: int, copied: int, tmp_path: Path) -> None:
    root = write_lerobot(tmp_path / "set", version="v3.0", lengths=LENGTHS, videos=True)
    frames = [drawn_frame(episode, row) for episode in range(3) for row in range(LENGTHS[episode])]
    write_video(root / VIDEO, frames, np.arange(15) / 10, gop=gop, overwrite=True)
    found = cut_episodes(lapsdata.open_steps(root), CAMERA, tmp_path / "videos")
    # The last episode has a video of its own; of the others, those whose first and last frame stand at a keyframe.
    assert found.counts == {"whole": 1, "copied": copied, "encoded": 3 - copied} or gop == 10
    with open_video(root / VIDEO) as opened:
        source = [frame.image for frame in opened.frames()]
    begin = 0
    for one in found.videos[:3]:
        assert brightness(one) == pytest.approx(drawn(one.number), abs=3)
        with open_video(one.item.path) as opened:
            cut = [frame.image for frame in opened.frames()]
        rows = LENGTHS[one.number]
        assert np.array_equal(cut, source[begin : begin + rows])
        begin += rows


def test_what_was_cut_before_is_kept_and_another_source_is_another_cut(tmp_path: Path) -> None:
    root = write_lerobot(tmp_path / "set", version="v3.0", lengths=LENGTHS, videos=True)
    first = cut_episodes(lapsdata.open_steps(root), CAMERA, tmp_path / "videos")
    made = {path: path.stat().st_mtime_ns for path in (tmp_path / "videos").iterdir()}
    again = cut_episodes(lapsdata.open_steps(root), CAMERA, tmp_path / "videos")
    assert [one.item for one in again.videos] == [one.item for one in first.videos]
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "videos").iterdir()} == made
    frames = [drawn_frame(episode, row) + np.uint8(9) for episode in range(3) for row in range(LENGTHS[episode])]
    write_video(root / VIDEO, frames, np.arange(15) / 10, overwrite=True)
    other = cut_episodes(lapsdata.open_steps(root), CAMERA, tmp_path / "videos")
    assert not {one.item.path for one in other.videos[:3]} & {one.item.path for one in first.videos}


def test_an_episode_without_a_video_is_told_and_the_others_go_on(tmp_path: Path) -> None:
    root = write_lerobot(tmp_path / "set", lengths=LENGTHS, videos=True)
    (root / f"videos/chunk-000/{CAMERA}/episode_000001.mp4").unlink()
    found = cut_episodes(lapsdata.open_steps(root), CAMERA, tmp_path / "videos")
    assert [one.number for one in found.videos] == [0, 2, 3]
    assert [(one.code, one.where.rpartition(": ")[2]) for one in found.problems] == [("no-video", "episode 1")]
    # Regression: it told to leave the episode out by an argument of Python, which the command does not have.
    fix = "the other episodes are done; bring the file, or take it out of the set: lapsdata convert SRC DST "
    assert found.problems[0].fix == f"{fix}--without-episodes 1"


def test_rows_without_times_that_rise_are_told_in_the_words_of_commands(tmp_path: Path) -> None:
    root = write_lerobot(tmp_path / "set", lengths=LENGTHS, videos=True)
    path = root / "data/chunk-000/episode_000002.parquet"
    table = pq.read_table(path)
    times = pa.array(np.zeros(len(table)), pa.float32())
    pq.write_table(table.set_column(table.schema.names.index("timestamp"), "timestamp", times), path)
    found = cut_episodes(lapsdata.open_steps(root), CAMERA, tmp_path / "videos")
    assert [one.code for one in found.problems] == ["times-not-rising"]
    assert str(found.problems[0].fix).startswith("the other episodes are done; write the times of its rows again, or")


def test_a_camera_that_is_none_is_refused(tmp_path: Path) -> None:
    steps = lapsdata.open_steps(write_lerobot(tmp_path / "set", videos=True))
    with pytest.raises(SchemaError, match=rf"expected a camera .* \({CAMERA}\), got front \[unknown-camera\]"):
        cut_episodes(steps, "front", tmp_path / "videos")


@pytest.mark.parametrize("version", ["v2.1", "v3.0"])
def test_the_frames_of_rows_are_told_by_the_number_of_the_episode(version: str, tmp_path: Path) -> None:
    root = write_lerobot(tmp_path / "set", version=version, lengths=LENGTHS, videos=True)
    steps = lapsdata.open_steps(root, episodes=[2, 3])
    path, frame = steps.frames_of(CAMERA, 2)
    begin = 10 if version == "v3.0" else 0
    name = "file-000" if version == "v3.0" else "episode_000002"
    assert path.stem == name
    assert frame.tolist() == list(range(begin, begin + 5))
    with pytest.raises(SchemaError, match=r"expected numbers of the 4 episodes .* got \[9\] \[unknown-episode\]"):
        steps.frames_of(CAMERA, 9)


def test_chosen_episodes_alone_are_cut(tmp_path: Path) -> None:
    root = write_lerobot(tmp_path / "set", version="v3.0", lengths=LENGTHS, videos=True)
    found = cut_episodes(lapsdata.open_steps(root, episodes=[1]), CAMERA, tmp_path / "videos")
    assert [(one.number, one.cut) for one in found.videos] == [(1, "encoded")]
    assert len(list((tmp_path / "videos").iterdir())) == 1


def test_a_video_of_many_episodes_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = write_lerobot(tmp_path / "set", version="v3.0", lengths=(4, 5, 6), videos=True)
    steps = lapsdata.open_steps(root)
    looked: list[str] = []

    def digest(path: Path) -> str:
        looked.append(path.name)
        return source_digest(path)

    monkeypatch.setattr(_episode_videos, "source_digest", digest)
    assert len(cut_episodes(steps, CAMERA, tmp_path / "videos").videos) == 3
    assert looked == ["file-000.mp4"]
    steps.close()
