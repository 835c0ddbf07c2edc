"""Windows of tracks as a motion tokenizer takes them: positions, velocities, and which steps are known.

One function for training and encoding, on whatever device the windows are: it is a small part of either.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch

if TYPE_CHECKING:
    from torch import Tensor

    from lapsmodels.tokenizer.config import TokenizerConfig

__all__ = ["Motion", "MotionCounts", "motion", "reference_motion"]


class Motion(NamedTuple):
    """Motion of windows, as a model takes it."""

    positions: Tensor
    """(B, V, T, N, 2) float32 (row, column), -1 to 1 over the frame; beyond it only where such steps are not known"""
    velocities: Tensor
    """(B, V, T - 1, N, 2) float32: their differences; 0 where they are not known"""
    known: Tensor
    """(B, V, T - 1, N) bool: whether both ends count; see `TokenizerConfig.seen_only` and `inside_only`"""


class MotionCounts(NamedTuple):
    """What windows hold, and what had to be made up."""

    positions: Tensor
    """Positions in all"""
    unseen: Tensor
    """that were not seen"""
    lost: Tensor
    """that the tracker did not give"""
    outside: Tensor
    """that lie beyond the frame"""
    still: Tensor
    """Steps that are not known, and are no motion"""


def motion(tracks: Tensor, vis: Tensor, size: Tensor, config: TokenizerConfig) -> tuple[Motion, MotionCounts]:
    """Return the motion of windows, and what was made up for it.

    A position that the tracker did not give is where the point was last, or else first; (0, 0) where never.

    Parameters
    ----------
    tracks : float32 (B, V, T, N, 2), pixel xy
        NaN where nothing is known.
    vis : bool (B, V, T, N)
    size : float32 (B, V, 2), pixel
        Width and height of the frames.
    config : TokenizerConfig

    Returns
    -------
    Motion
    MotionCounts
        int64 ().

    Examples
    --------
    >>> from lapsmodels.tokenizer.config import TokenizerConfig
    >>> right = torch.tensor([[10.0, 30], [20, 30], [float("nan"), 30]])[None, None, :, None]
    >>> seen = torch.tensor([True, True, False])[None, None, :, None]
    >>> made, counts = motion(right, seen, torch.tensor([[[40.0, 60.0]]]), TokenizerConfig(seen_only=True))
    >>> made.positions[0, 0, :, 0].tolist(), made.known.ravel().tolist(), int(counts.lost)
    ([[0.0, -0.5], [0.0, 0.0], [0.0, 0.0]], [True, False], 1)
    """
    if tracks.device.type == "cpu":
        return _compiled(tracks, vis, size, config)
    return reference_motion(tracks, vis, size, config)


def reference_motion(tracks: Tensor, vis: Tensor, size: Tensor, config: TokenizerConfig) -> tuple[Motion, MotionCounts]:
    """Return the same by operations of torch: what GPUs do, and what the loop of processors is compared with."""
    given = torch.isfinite(tracks).all(dim=-1)
    positions = _placed(_held(tracks, given), size)
    seen, inside = vis & given, (positions.abs() <= 1).all(dim=-1)
    counts_of = seen if config.seen_only else torch.ones_like(seen)
    if config.inside_only:
        counts_of = counts_of & inside
    else:
        positions = positions.clamp(-1, 1)
    known = counts_of[:, :, 1:] & counts_of[:, :, :-1]
    velocities = torch.where(known[..., None], positions.diff(dim=2), 0.0)
    total = torch.tensor(seen.numel(), device=seen.device)
    counts = MotionCounts(total, (~seen).sum(), (~given).sum(), (~inside).sum(), (~known).sum())
    return Motion(positions, velocities, known), counts


def _compiled(tracks: Tensor, vis: Tensor, size: Tensor, config: TokenizerConfig) -> tuple[Motion, MotionCounts]:
    from lapsmodels.training._motion_loop import motion_loop

    windows, views, frames, points, _ = tracks.shape
    positions = torch.empty(tracks.shape)
    velocities = torch.empty(windows, views, frames - 1, points, 2)
    known = torch.empty(velocities.shape[:-1], dtype=torch.bool)
    counts = torch.zeros(4, dtype=torch.int64)
    xy, seen, sizes = (values.contiguous().flatten(0, 1).numpy() for values in (tracks, vis, size))
    placed, steps, both = (values.flatten(0, 1).numpy() for values in (positions, velocities, known))
    motion_loop(xy, seen, sizes, config.seen_only, config.inside_only, placed, steps, both, counts.numpy())
    return Motion(positions, velocities, known), MotionCounts(torch.tensor(vis.numel()), *counts)


def _placed(tracks: Tensor, size: Tensor) -> Tensor:
    """Return (row, column), -1 to 1: `lapsdata.geometry.pixel_to_amplify`, for tensors."""
    half = size[:, :, None, None] / 2
    return ((tracks - half) / half).flip(-1)


def _held(tracks: Tensor, given: Tensor) -> Tensor:
    frames = torch.arange(tracks.shape[2], device=tracks.device)[:, None]
    last = torch.where(given, frames, -1).cummax(dim=2).values
    first = given.int().argmax(dim=2, keepdim=True)
    source = torch.where(last < 0, first, last)
    held = tracks.gather(2, source[..., None].expand(tracks.shape))
    return torch.where(given.any(dim=2, keepdim=True)[..., None], held, 0.0)
