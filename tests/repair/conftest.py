"""Files that fill several shards, row groups and blocks, and what a repair of them may and may not give."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pytest

import lapsdata
from lapsdata.containers import Boxes, Segments, Shards, Tracks
from lapsdata.schema import SegmentedVideo
from lapsdata.storage import sealed_parquet
from lapsdata.testing.samples import (
    sample_boxes,
    sample_energies,
    sample_segments,
    sample_shards,
    sample_tokens,
    sample_tracks,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from lapsdata.containers import Container

ROW_GROUP = 40


class Case(NamedTuple):
    """A file as it was written, and what stands in it."""

    path: Path
    container: Container
    copy: Callable[[], Path]


def many_segments() -> Segments:
    count, small = 130, sample_segments()
    start = np.arange(count, dtype=np.float64)
    video = SegmentedVideo(name="clip_0", end_s=float(count))
    codes = tuple(np.arange(i % 4, dtype=np.int32) for i in range(count))
    header = small.header.model_copy(update={"videos": (video,)})
    reasons: Any = ("threshold",) * count
    labels = tuple(f"label {i % 7}" if i % 3 else None for i in range(count))
    embedding = np.arange(2 * count, dtype=np.float32).reshape(count, 2)
    index = np.zeros(count, np.int64)
    return Segments(
        header, index, start, start + 0.5, reasons, labels, score=np.sin(start), codes=codes, embedding=embedding
    )


def many_boxes() -> Boxes:
    small, count = sample_boxes(), 130
    rows = np.arange(count) % 4
    columns: dict[str, Any] = {name: array[rows] for name, array in small.arrays()}
    texts: dict[str, Any] = {
        name: tuple(column[i] for i in rows) for name, column in small.columns() if name in ("label", "source")
    }
    numbers: dict[str, Any] = {
        "sequence_index": np.zeros(count, np.int64),
        "frame": np.arange(count) // 20,
        "id": np.arange(count),
    }
    return Boxes(small.header, **{**columns, **texts, **numbers}, source_id=tuple(str(i) for i in range(count)))


def tracks() -> Tracks:
    return sample_tracks(windows=264, horizon=2, points=3, views=("front",), confidence=True)


CASES: dict[str, tuple[Callable[[], Container], str, dict[str, Any]]] = {
    "tracks-h5": (tracks, "clip.h5", {}),
    "tracks-h5-windows": (tracks, "clip.h5", {"chunking": "windows"}),
    "tracks-h5-compact": (tracks, "clip.h5", {"profile": "compact"}),
    "tracks-zarr": (tracks, "clip.zarr", {}),
    "tracks-zarr-compact": (tracks, "clip.zarr", {"profile": "compact"}),
    "tokens": (lambda: sample_tokens(windows=264, latent=2), "clip.tokens.zarr", {}),
    "energies": (lambda: sample_energies(steps=40), "clips.jsonl", {}),
    "segments": (many_segments, "clips.parquet", {}),
    "boxes": (many_boxes, "match.parquet", {}),
    "shards": (lambda: sample_shards(windows=(30, 10)), "clips.shards", {"samples_per_shard": 12}),
}


@pytest.fixture(autouse=True)
def small_row_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sealed_parquet, "ROW_GROUP", ROW_GROUP)


@pytest.fixture
def case_of(tmp_path: Path) -> Callable[[str], Case]:
    """Write the file of a case."""
    import shutil

    def make(name: str) -> Case:
        build, called, options = CASES[name]
        (tmp_path / "whole").mkdir()
        path = tmp_path / "whole" / called
        lapsdata.write(path, build(), **options)

        def copy() -> Path:
            place = tmp_path / f"damaged-{len(list(tmp_path.iterdir()))}" / called
            place.parent.mkdir()
            if path.is_dir():
                shutil.copytree(path, place)
            else:
                shutil.copy(path, place)
            return place

        return Case(path, lapsdata.read(path), copy)

    return make


def assert_prefix(saved: Container, whole: Container) -> None:
    """Fail where anything that was saved is not what was written."""
    assert type(saved) is type(whole)
    if isinstance(saved, Shards) and isinstance(whole, Shards):
        by_name = {video.header.video.name: video for video in whole.tracks}
        for video in saved.tracks:
            assert_prefix(video, by_name[video.header.video.name])
        return
    count, names = len(saved), dict(whole.arrays())
    assert count <= len(whole)
    for name, array in saved.arrays():
        expected = names[name] if name in ("frame_s", "source_index") else names[name][: len(array)]
        assert np.array_equal(array, expected, equal_nan=array.dtype.kind == "f"), name
    for column, texts in saved.columns():
        assert texts == dict(whole.columns())[column][: len(texts)], column
    assert plain(saved) == plain(whole)


def plain(container: Container) -> dict[str, Any]:
    """Return what a header says of the data, and not of its making."""
    header = container.header.as_json()
    for key in ("provenance", "policies", "uncovered_frames"):
        header.pop(key, None)
    return header


@pytest.fixture(scope="session")
def is_prefix() -> Callable[[Any, Any], None]:
    return assert_prefix


@pytest.fixture(scope="session")
def stored_at() -> Callable[[Path, str, int], int]:
    """Say at which byte of its file a window of an HDF5 array lies."""
    from lapsdata.storage.hdf5_file import Hdf5File
    from lapsdata.storage.hdf5_index import hdf5_index

    def byte(path: Path, name: str, window: int) -> int:
        with Hdf5File(path) as file:
            return int(hdf5_index(file, name, fill=True).offset[window])  # type: ignore[union-attr]

    return byte
