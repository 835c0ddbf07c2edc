"""Where a video of version 3.0 is cut: by the table, else by what follows; at keyframes by packets, else encoded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lapsdata.adapters.lerobot.converting import convert_set
from lapsdata.testing.episode_sets import CAMERA, drawn_frame, write_lerobot
from lapsdata.video.probe import probe
from lapsdata.video.reader import open_video
from lapsdata.video.writer import write_video

if TYPE_CHECKING:
    from pathlib import Path

LENGTHS = (4, 6, 5)
LIST = "meta/episodes/chunk-000/file-000.parquet"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A set whose one video has a keyframe every other frame, so that each episode begins and ends at one but 2."""
    made = write_lerobot(tmp_path / "a", version="v3.0", lengths=LENGTHS, videos=True, per_file=3)
    video = made / f"videos/{CAMERA}/chunk-000/file-000.mp4"
    video.unlink()
    every = [drawn_frame(episode, row) for episode, length in enumerate(LENGTHS) for row in range(length)]
    write_video(video, every, np.arange(15) / 10, gop=2)
    return made


def relisted(root: Path, **columns: Any) -> None:
    """Change columns of a camera in the table of episodes; None takes one out."""
    table = pq.read_table(root / LIST)
    for name, values in columns.items():
        at = table.schema.get_field_index(f"videos/{CAMERA}/{name}")
        table = table.remove_column(at)
        if values is not None:
            table = table.append_column(f"videos/{CAMERA}/{name}", pa.array(values))
    pq.write_table(table, root / LIST)


def notes(root: Path, target: Path) -> dict[str, str]:
    return {note.code: note.message for note in convert_set(root, target, "lerobot-2.1").notes}


def video_of(target: Path, episode: int) -> Path:
    return target / f"videos/chunk-000/{CAMERA}/episode_{episode:06d}.mp4"


def expect_frames(target: Path, lengths: tuple[int, ...] = LENGTHS) -> None:
    for episode, length in enumerate(lengths):
        with open_video(video_of(target, episode)) as video:
            shown = list(video.frames())
        np.testing.assert_allclose([frame.time_s for frame in shown], np.arange(length) / 10, atol=1e-6)
        for row, frame in enumerate(shown):
            assert np.abs(frame.image.astype(int) - drawn_frame(episode, row)).max() <= 3


def test_what_begins_and_ends_at_keyframes_is_cut_by_packets(root: Path, tmp_path: Path) -> None:
    told = notes(root, tmp_path / "b")
    assert told["videos-copied"].startswith("0 copied as files, 3 packet by packet")
    assert "videos-encoded" not in told
    expect_frames(tmp_path / "b")
    with open_video(root / f"videos/{CAMERA}/chunk-000/file-000.mp4") as video:
        source = [frame.image for frame in video.frames()]
    with open_video(video_of(tmp_path / "b", 1)) as video:
        np.testing.assert_array_equal([frame.image for frame in video.frames()], source[4:10])


def test_without_ends_each_goes_on_to_the_next(root: Path, tmp_path: Path) -> None:
    relisted(root, to_timestamp=None)
    assert "frames-unlike-rows" not in notes(root, tmp_path / "b")
    expect_frames(tmp_path / "b")


def test_ends_within_half_a_frame_are_those_of_frames(root: Path, tmp_path: Path) -> None:
    relisted(root, from_timestamp=[0.0, 0.4004, 1.0], to_timestamp=[0.4004, 0.9996, 1.52])
    assert notes(root, tmp_path / "b")["frames-shifted"].endswith("their first frame is at 0 s now: 1")
    expect_frames(tmp_path / "b")


def test_more_or_fewer_frames_than_rows_are_told(root: Path, tmp_path: Path) -> None:
    relisted(root, to_timestamp=[0.4, 0.8, 1.5])
    told = notes(root, tmp_path / "b")
    assert told["frames-unlike-rows"] == "1 episodes have another number of frames than of rows: 1"
    assert probe(video_of(tmp_path / "b", 1)).frames == 4


def test_what_begins_between_keyframes_is_encoded_as_it_was(root: Path, tmp_path: Path) -> None:
    video = root / f"videos/{CAMERA}/chunk-000/file-000.mp4"
    every = [drawn_frame(episode, row) for episode, length in enumerate(LENGTHS) for row in range(length)]
    write_video(video, every, np.arange(15) / 10, gop=7, codec="av1", overwrite=True)
    told = notes(root, tmp_path / "b")
    assert told["videos-encoded"].endswith("encoded again: 0-2")
    assert {probe(video_of(tmp_path / "b", episode)).codec for episode in range(3)} == {"av1"}
    expect_frames(tmp_path / "b")


def test_an_episode_that_is_not_listed_any_more_leaves_its_frames_out(root: Path, tmp_path: Path) -> None:
    pq.write_table(pq.read_table(root / LIST).filter([True, False, True]), root / LIST)
    # The rows between those of two episodes are no one's; rows of a file lie one behind the other else.
    table = pq.read_table(root / "data/chunk-000/file-000.parquet")
    kept = [index for index, episode in enumerate(table.column("episode_index").to_pylist()) if episode != 1]
    pq.write_table(table.take(kept), root / "data/chunk-000/file-000.parquet")
    convert_set(root, tmp_path / "b", "lerobot-2.1")
    assert not video_of(tmp_path / "b", 1).exists()
    for episode, length in ((0, 4), (2, 5)):
        with open_video(video_of(tmp_path / "b", episode)) as video:
            shown = [frame.image for frame in video.frames()]
        assert len(shown) == length
        assert np.abs(shown[0].astype(int) - drawn_frame(episode, 0)).max() <= 3
