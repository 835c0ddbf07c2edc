"""What a Loader feeds to a training: windows of any store, with the size of their own frames."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

import lapsdata
from lapsdata.errors import LapsWarning, SchemaError
from lapsdata.schema import SourceVideo
from lapsdata.testing.samples import sample_tracks
from lapsmodels.training.source import MotionSource, stacked

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return tracks of two views in three files of 2, 3 and 4 windows; each is 10 pixels wider than the one before."""
    for number in range(3):
        made = sample_tracks(
            windows=2 + number, views=("top", "wrist"), seed=number, video=SourceVideo(name=f"v{number}")
        )
        views = {
            view: facts.model_copy(
                update={
                    "size": facts.size.model_copy(update={"width": 64 + 10 * number}),
                    "active_area": facts.active_area.model_copy(update={"width": 64 + 10 * number}),
                }
            )
            for view, facts in made.header.views.items()
        }
        header = made.header.model_copy(update={"views": views})
        clip = type(made)(header, made.tracks, made.vis, made.start_index, made.frame_s)
        lapsdata.write(tmp_path / f"v{number}.zarr", clip)
    return tmp_path


def test_a_window_has_the_size_of_its_own_frames(folder: Path) -> None:
    source = MotionSource(lapsdata.open_windows(folder))
    assert (len(source), source.views, source.videos) == (9, ("top", "wrist"), ("v0", "v1", "v2"))
    batch = source.gather(np.array([8, 0, 2, 8]))
    assert batch["size"][:, 0].tolist() == [[84.0, 48.0], [64.0, 48.0], [74.0, 48.0], [84.0, 48.0]]
    assert batch["size"].dtype == np.float32
    late = source.only(["v2", "v1"])
    assert (len(late), late.videos) == (7, ("v1", "v2"))
    assert late.gather(np.array([0, 6]))["size"][:, 1, 0].tolist() == [74.0, 84.0]
    assert late.fingerprint != source.fingerprint


def test_views_stand_side_by_side_in_the_order_of_their_names(folder: Path) -> None:
    source = MotionSource(lapsdata.open_windows(folder))
    (batch,) = lapsdata.Loader(source, batch_size=9, to="torch")
    tracks, vis, size = stacked(batch, source.views)
    whole = [lapsdata.read(folder / f"v{number}.zarr") for number in range(3)]
    for number, view in enumerate(("top", "wrist")):
        expected = np.concatenate([clip.tracks[view] for clip in whole])
        np.testing.assert_array_equal(tracks[:, number].numpy(), expected)
        np.testing.assert_array_equal(vis[:, number].numpy(), np.concatenate([clip.vis[view] for clip in whole]))
    assert tuple(size.shape) == (9, 2, 2)


def test_buffers_are_filled(folder: Path) -> None:
    source = MotionSource(lapsdata.open_windows(folder))
    buffers = {name: field.empty(2) for name, field in source.spec.items()}
    batch = source.gather(np.array([1, 5]), out=buffers)
    assert all(batch[name] is buffers[name] for name in buffers)
    np.testing.assert_array_equal(buffers["size"], source.gather(np.array([1, 5]), fields=["size"])["size"])
    with pytest.raises(SchemaError, match="to: expected 'numpy', got 'torch'; load it by a Loader"):
        source.gather(np.array([1]), to="torch")


def test_what_a_tokenizer_cannot_take_is_refused(folder: Path, tmp_path: Path) -> None:
    source = MotionSource(lapsdata.open_windows(folder))
    lapsdata.write(tmp_path / "other.h5", sample_tracks(windows=2, video=SourceVideo(name="other")))
    other = MotionSource(lapsdata.open_windows(tmp_path / "other.h5"))
    with pytest.raises(SchemaError, match=r"expected views \('top', 'wrist'\), .*, got \('default',\)"):
        source.require_like(other)
    source.require_like(source.only(["v1"]))
    (tmp_path / "npy").mkdir()
    for name, array in (("tracks", np.zeros((3, 4, 5, 2), np.float32)), ("vis", np.ones((3, 4, 5), bool))):
        np.save(tmp_path / "npy" / f"{name}.npy", array)
    with pytest.warns(LapsWarning, match="hold no checksums"):
        foreign = lapsdata.open_windows(tmp_path / "npy")
    with pytest.raises(SchemaError, match=r"file 0: expected tracks of ours, which say how large their frames are"):
        MotionSource(foreign)
