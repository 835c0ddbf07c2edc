"""Tokens of a video are what the model makes of its windows, and say what made them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from lapsdata.errors import SchemaError
from lapsdata.formats import read, write
from lapsdata.schema.base import Parent
from lapsdata.testing.samples import sample_provenance, sample_tracks
from lapsmodels.stages.encode import encode_tracks
from lapsmodels.tokenizer.checkpoint import Checkpoint, TokenizerHeader, weights_digest
from lapsmodels.tokenizer.config import TokenizerConfig
from lapsmodels.tokenizer.model import MotionTokenizer
from lapsmodels.training.motion import motion


def checkpoint_of(views: tuple[str, ...] = ("default",), **changes: Any) -> Checkpoint:
    config = TokenizerConfig(
        **{"points": 5, "horizon": 4, "width": 16, "heads": 2, "head_width": 8, "levels": (5, 3), "scale": 20,
           "views": len(views), **changes}
    )  # fmt: skip
    torch.manual_seed(0)
    header = TokenizerHeader(provenance=sample_provenance(), config=config, views=views, weights=weights_digest(b"w"))
    return Checkpoint(MotionTokenizer(config).eval(), header)


@pytest.mark.parametrize("batch", [1, 4, 64])
def test_codes_are_those_of_the_model(batch: int) -> None:
    tracks, checkpoint = sample_tracks(windows=9), checkpoint_of()
    tokens = encode_tracks(tracks, checkpoint, latents="both", batch=batch)
    xy, vis = (torch.tensor(arrays["default"])[:, None] for arrays in (tracks.tracks, tracks.vis))
    moved, _ = motion(xy, vis, torch.tensor([[[64.0, 48.0]]]).expand(9, -1, -1), checkpoint.model.config)
    with torch.no_grad():
        expected = checkpoint.model.encode(moved.velocities)
    np.testing.assert_array_equal(tokens.codes, expected.indices.numpy())
    np.testing.assert_allclose(tokens.prequant, expected.prequant.numpy(), atol=1e-5)
    np.testing.assert_allclose(tokens.quantized, expected.quantized.numpy(), atol=1e-5)
    assert len(np.unique(tokens.codes)) > 1


def test_times_are_those_of_the_tracks() -> None:
    tracks = sample_tracks(windows=5, stride=2)
    tokens = encode_tracks(tracks, checkpoint_of())
    np.testing.assert_array_equal(tokens.start_index, tracks.start_index)
    np.testing.assert_array_equal(tokens.frame_s, tracks.frame_s)
    assert tokens.header.video == tracks.header.video
    assert (tokens.header.stride, tokens.header.rate) == (2, tracks.header.rate)


@pytest.mark.parametrize(("latents", "stored"), [("none", (0, 0)), ("quantized", (0, 1)), ("both", (1, 1))])
def test_what_is_asked_for_is_stored(latents: Any, stored: tuple[int, int], tmp_path: Any) -> None:
    tokens = encode_tracks(sample_tracks(windows=3), checkpoint_of(), latents=latents)
    assert (tokens.prequant is not None, tokens.quantized is not None) == stored
    write(tmp_path / "clip.zarr", tokens)
    assert read(tmp_path / "clip.zarr").equals(tokens)


def test_the_header_says_what_made_them() -> None:
    checkpoint = checkpoint_of()
    parents = [Parent(role="tracks", name="clip.h5", digest="sha256:" + 64 * "1")]
    tokens = encode_tracks(sample_tracks(windows=3), checkpoint, parents=parents)
    made = tokens.header.tokenizer
    assert (made.levels, made.codes, made.checkpoint) == ((5, 3), 15, checkpoint.header.weights)
    assert made.parameters["horizon"] == 4
    assert tokens.header.provenance.parents == tuple(parents)


@pytest.mark.parametrize("seen_only", [False, True])
@pytest.mark.parametrize("inside_only", [False, True])
def test_what_was_made_up_is_counted(seen_only: bool, inside_only: bool) -> None:
    tracks = sample_tracks(windows=3)
    seen, given = tracks.vis["default"], np.isfinite(tracks.tracks["default"]).all(axis=-1)
    expected: dict[str, int] = {}
    if seen_only or inside_only:
        expected["still_steps"] = int((~(seen[:, 1:] & seen[:, :-1])).sum()) if seen_only else 0
    if not seen_only:
        expected["held_positions"] = int((~given).sum())
    if not inside_only:
        expected["clipped_positions"] = 0
    tokens = encode_tracks(tracks, checkpoint_of(seen_only=seen_only, inside_only=inside_only))
    assert tokens.header.policies == expected
    assert not given.all()


@pytest.mark.parametrize("per_view", [False, True])
def test_several_views(per_view: bool) -> None:
    tracks = sample_tracks(windows=3, views=("left", "right"))
    tokens = encode_tracks(tracks, checkpoint_of(("right", "left"), per_view=per_view))
    assert tokens.codes.shape == (3, 6 if per_view else 3)
    assert tokens.header.streams == (2 if per_view else 1)


def test_a_tokenizer_of_another_shape_is_refused_with_what_to_do() -> None:
    tracks = sample_tracks(windows=3)
    message = (
        r"clip_0: the tokenizer takes windows of 16 frames and 400 points, got 4 and 5; track with --horizon 16 --p"
    )
    with pytest.raises(SchemaError, match=message):
        encode_tracks(tracks, checkpoint_of(horizon=16, points=400))
    with pytest.raises(SchemaError, match=r"clip_0: expected the views wrist, got default; track them under"):
        encode_tracks(tracks, checkpoint_of(("wrist",)))
