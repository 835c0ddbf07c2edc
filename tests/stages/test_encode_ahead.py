"""Tracks on their way to a model: read ahead within bounds, given in order, let go of when nobody wants them."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lapsdata import formats
from lapsdata.errors import SchemaError, StorageError
from lapsdata.loading.track_blocks import TrackBlocks
from lapsdata.provenance import parent
from lapsdata.testing.contracts import content_of
from lapsdata.testing.samples import sample_provenance, sample_tracks
from lapsmodels.stages import encode_many
from lapsmodels.stages._encode_ahead import _AHEAD, AheadOfModel
from lapsmodels.stages.encode import encode_tracks
from lapsmodels.tokenizer.checkpoint import (
    Checkpoint,
    TokenizerHeader,
    save_tokenizer,
    weights_digest,
)
from lapsmodels.tokenizer.config import TokenizerConfig
from lapsmodels.tokenizer.model import MotionTokenizer

_PATIENCE_S = 20


def checkpoint_of(views: tuple[str, ...] = ("default",), **changes: Any) -> Checkpoint:
    given = {"points": 5, "horizon": 4, "width": 16, "heads": 2, "head_width": 8, "levels": (5, 3)} | changes
    config = TokenizerConfig(**{"views": len(views)} | given)
    header = TokenizerHeader(provenance=sample_provenance(), config=config, views=views, weights=weights_digest(b""))
    return Checkpoint(MotionTokenizer(config).eval(), header)


def clip(folder: Path, name: str = "clip.zarr", **options: Any) -> Path:
    formats.write(folder / name, sample_tracks(**{"windows": 40} | options))
    return folder / name


def own_threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith(("lapsdata-", "lapsmodels-"))]


def held_files(folder: Path) -> list[str]:
    """Return which files of a folder this process has open."""
    targets = [os.path.realpath(path) for path in Path("/proc/self/fd").iterdir() if path.is_symlink()]
    return [target for target in targets if target.startswith(os.path.realpath(folder))]


@pytest.mark.parametrize("name", ["clip.zarr", "clip.h5"])
@pytest.mark.parametrize("options", [{}, {"motion": "residual"}, {"gate_speed": 0.3, "gate_share": 0.5}])
@pytest.mark.parametrize("views", [("default",), ("right", "left")])
def test_it_gives_the_tokens_of_all_windows_at_once(
    name: str, options: dict[str, Any], views: tuple[str, ...], tmp_path: Path
) -> None:
    path, checkpoint = clip(tmp_path, name, views=views, points=30), checkpoint_of(views, points=30)
    expected = encode_tracks(formats.read(path), checkpoint, latents="both", **options)  # type: ignore[arg-type]
    ahead = AheadOfModel(path, checkpoint, batch=7, latents="both", **options)
    found = ahead.encode().tokens()
    ahead.close()
    assert found.header == expected.header
    assert found.equals(expected)
    assert ahead.parent() == parent("tracks", path)


def test_no_more_is_read_ahead_than_the_model_soon_takes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read, seen = TrackBlocks.read, list[int]()

    def noted(blocks: TrackBlocks, first: int, *place: Any) -> Any:
        seen.append(first)
        return read(blocks, first, *place)

    monkeypatch.setattr(TrackBlocks, "read", noted)
    ahead = AheadOfModel(clip(tmp_path), checkpoint_of(), batch=2)
    until = time.monotonic() + _PATIENCE_S
    while len(seen) < _AHEAD + 1 and time.monotonic() < until:
        time.sleep(0.01)
    time.sleep(0.1)  # time enough to read too much
    assert seen == list(range(0, 2 * (_AHEAD + 1), 2))
    ahead.encode()
    ahead.close()
    assert seen == list(range(0, 40, 2))


def test_what_is_closed_early_holds_neither_files_nor_threads(tmp_path: Path) -> None:
    path = clip(tmp_path)
    ahead = AheadOfModel(path, checkpoint_of(), batch=2)
    ahead.parent()
    assert held_files(path)
    ahead.close()
    assert held_files(path) == []
    until = time.monotonic() + _PATIENCE_S
    while own_threads() and time.monotonic() < until:
        time.sleep(0.01)
    assert own_threads() == []


def test_windows_of_another_shape_are_refused_before_any_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(TrackBlocks, "read", lambda *_: pytest.fail("a window was read"))
    with pytest.raises(SchemaError, match=r"the tokenizer takes windows of 6 frames and 5 points, got 4 and 5"):
        AheadOfModel(clip(tmp_path), checkpoint_of(horizon=6), batch=2)


def test_tracks_that_are_gone_are_told(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=r"nowhere.zarr: cannot open: no such file or folder"):
        AheadOfModel(tmp_path / "nowhere.zarr", checkpoint_of(), batch=2)


def test_digests_are_taken_before_only_where_there_is_something_to_compare(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = [clip(tmp_path, "one.zarr"), clip(tmp_path, "two.zarr", seed=1)]
    save_tokenizer(tmp_path / "tokenizer", *checkpoint_of())
    taken: list[str] = []

    def noted(role: str, path: Path) -> Any:
        taken.append(path.name)
        return parent(role, path)

    monkeypatch.setattr(encode_many, "parent", noted)
    tokens = tmp_path / "tokens"
    assert encode_many.encode_files(paths[:1], tmp_path / "tokenizer", tokens).counts["made"] == 1
    assert taken == []
    before = content_of(tokens / "one.zarr")
    report = encode_many.encode_files(paths, tmp_path / "tokenizer", tokens)
    assert [entry.fate for entry in report.entries] == ["kept", "made"]
    assert taken == ["one.zarr"]
    assert content_of(tokens / "one.zarr") == before
    np.testing.assert_array_equal(formats.read(tokens / "two.zarr").start_index, np.arange(40))  # type: ignore[attr-defined]
