"""Versions 2: a file of rows and a video of every camera for each episode, loose or in archives."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lapsdata.adapters.lerobot.info import INFO, SHARD
from lapsdata.adapters.lerobot.layout import Places, formatted, numbers_of

if TYPE_CHECKING:
    from pathlib import Path

    import pyarrow as pa

    from lapsdata.adapters.lerobot.info import Info

__all__ = ["places"]


def places(root: Path, info: Info, episodes: pa.Table) -> Places:
    """Return where episodes lie: by the pattern, the folder being that of `chunks_size` episodes.

    Of shards, a pattern names the archive by `shard`, which a column tells of each episode.
    """
    listed = str(root / "meta/episodes")
    numbers = numbers_of(episodes, "episode_index", listed).tolist()
    shards = numbers_of(episodes, SHARD, listed).tolist() if info.packed else [0] * len(numbers)
    data_where, video_where = (f"{root / INFO}: {name}" for name in ("data_path", "video_path"))
    files = tuple(
        formatted(
            info.data_path, data_where, episode_chunk=number // info.chunks_size, episode_index=number, shard=shard
        )
        for number, shard in zip(numbers, shards, strict=True)
    )
    cameras = [camera.name for camera in info.cameras if camera.stored == "video"]
    videos = tuple(
        formatted(
            info.video_path,
            video_where,
            episode_chunk=number // info.chunks_size,
            episode_index=number,
            video_key=camera,
            shard=shard,
        )
        for camera in cameras
        for number, shard in zip(numbers, shards, strict=True)
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
