"""Versions 2: a file of rows and a video of every camera for each episode."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lapsdata.adapters.lerobot.info import INFO
from lapsdata.adapters.lerobot.layout import Places, formatted, numbers_of

if TYPE_CHECKING:
    from pathlib import Path

    import pyarrow as pa

    from lapsdata.adapters.lerobot.info import Info

__all__ = ["places"]


def places(root: Path, info: Info, episodes: pa.Table) -> Places:
    """Return where episodes lie: by the pattern, the folder being that of `chunks_size` episodes."""
    numbers = numbers_of(episodes, "episode_index", str(root / "meta/episodes")).tolist()
    data_where, video_where = (f"{root / INFO}: {name}" for name in ("data_path", "video_path"))
    files = tuple(
        formatted(info.data_path, data_where, episode_chunk=number // info.chunks_size, episode_index=number)
        for number in numbers
    )
    cameras = [camera.name for camera in info.cameras if camera.stored == "video"]
    videos = tuple(
        formatted(
            info.video_path,
            video_where,
            episode_chunk=number // info.chunks_size,
            episode_index=number,
            video_key=camera,
        )
        for camera in cameras
        for number in numbers
    )
    count = len(numbers)
    every = np.arange(count)
    return Places(
        files=files,
        file_index=every,
        first_row=np.zeros(count, np.int64),
        video_files=videos,
        video_index={camera: every + at * count for at, camera in enumerate(cameras)},
        video_start_s={camera: np.zeros(count) for camera in cameras},
    )
