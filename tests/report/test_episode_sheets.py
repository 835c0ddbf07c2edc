"""Contact sheets of robot episodes: which frames, and under which words."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from lapsdata.adapters import find_adapter
from lapsdata.containers import Episodes
from lapsdata.errors import CorruptDataError, SchemaError
from lapsdata.report import episode_sheets
from lapsdata.report.episode_sheets import episode_sheet
from lapsdata.testing.episode_sets import CAMERA, drawn_frame, write_lerobot
from lapsdata.video.writer import write_video

if TYPE_CHECKING:
    from pathlib import Path

    from lapsdata.report.layout import SheetLayout


def episodes_of(root: Path) -> Episodes:
    found = find_adapter(root)
    assert found is not None
    container = found[0].read(root).container
    assert isinstance(container, Episodes)
    return container


@pytest.fixture
def layouts(monkeypatch: pytest.MonkeyPatch) -> list[SheetLayout]:
    """Layouts as they are painted."""
    seen: list[SheetLayout] = []
    plain = episode_sheets.paint

    def paint(layout: SheetLayout, pictures: object) -> np.ndarray:
        seen.append(layout)
        return plain(layout, pictures)  # type: ignore[arg-type]

    monkeypatch.setattr(episode_sheets, "paint", paint)
    return seen


def levels(sheet: np.ndarray, layout: SheetLayout) -> list[int]:
    return [int(sheet[tile.y + tile.height // 2, tile.x + tile.width // 2, 0]) for tile in layout.tiles]


@pytest.mark.parametrize("version", ["v2.1", "v3.0"])
def test_the_first_frame_of_each_episode(tmp_path: Path, layouts: list[SheetLayout], version: str) -> None:
    root = write_lerobot(tmp_path / "set", version=version, videos=True)
    sheet = episode_sheet(root, episodes_of(root))
    assert sheet.dtype == np.uint8
    expected = [int(drawn_frame(episode, 0)[0, 0, 0]) for episode in range(3)]
    assert np.abs(np.subtract(levels(sheet, layouts[0]), expected)).max() <= 2


def test_words_under_the_frames(tmp_path: Path, layouts: list[SheetLayout]) -> None:
    root = write_lerobot(tmp_path / "set", videos=True, lengths=(4, 6))
    episode_sheet(root, episodes_of(root))
    words = [word.text for word in layouts[0].words]
    assert words == ["top", "4 rows", "episode 0: pick the cube", "top", "6 rows", "episode 1: place the cup"]


def test_an_episode_without_a_video_is_a_blank_that_says_so(tmp_path: Path, layouts: list[SheetLayout]) -> None:
    root = write_lerobot(tmp_path / "set", videos=True)
    (root / f"videos/chunk-000/{CAMERA}/episode_000001.mp4").unlink()
    sheet = episode_sheet(root, episodes_of(root), columns=3)
    assert levels(sheet, layouts[0])[1] == 235
    assert "no video" in [word.text for word in layouts[0].words]


def test_the_grid_says_how_many(tmp_path: Path, layouts: list[SheetLayout]) -> None:
    root = write_lerobot(tmp_path / "set", videos=True, lengths=(2,) * 5)
    episode_sheet(root, episodes_of(root), columns=3, rows=1)
    assert [word.text.partition(":")[0] for word in layouts[0].words if word.text.startswith("episode")] == [
        "episode 0",
        "episode 2",
        "episode 4",
    ]


def test_an_episode_that_begins_after_its_video_ends_is_an_error(tmp_path: Path) -> None:
    root = write_lerobot(tmp_path / "set", version="v3.0", videos=True)
    path = root / f"videos/{CAMERA}/chunk-000/file-000.mp4"
    # Episode 2 begins at 1.0 s.
    for frames in (11, 10):
        write_video(path, [drawn_frame(0, row) for row in range(frames)], np.arange(frames) / 10, overwrite=True)
        if frames == 11:
            assert episode_sheet(root, episodes_of(root)).dtype == np.uint8
    with pytest.raises(
        CorruptDataError, match=r"expected a frame at 1 s, where episode 2 begins, got frames of 0 to 0\.9"
    ):
        episode_sheet(root, episodes_of(root))


def test_without_a_video_there_is_nothing_to_draw_and_a_broken_one_is_an_error(tmp_path: Path) -> None:
    bare = write_lerobot(tmp_path / "bare")
    with pytest.raises(SchemaError, match="expected a camera whose frames are a video, got none"):
        episode_sheet(bare, episodes_of(bare))
    root = write_lerobot(tmp_path / "set", videos=True)
    (root / f"videos/chunk-000/{CAMERA}/episode_000001.mp4").write_bytes(b"")
    with pytest.raises(CorruptDataError, match="empty"):
        episode_sheet(root, episodes_of(root))
