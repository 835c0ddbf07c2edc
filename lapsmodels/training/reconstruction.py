"""Paths of points as the codes of a window tell them, and how far they are from the true ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from lapsmodels.tokenizer.model import MotionTokenizer

    Paths = NDArray[np.float32]

__all__ = ["PathScores", "Reconstruction", "path_scores", "reconstructed", "reconstruction"]

_TOLERANCES = range(1, 11)


class Reconstruction(NamedTuple):
    """Paths in the pixels of the frame, true and as reconstructed."""

    true: Paths
    """(B, V, T, N, 2) float32, pixel xy"""
    made: Paths
    """(B, V, T, N, 2) float32, pixel xy: the first position, and from it on the displacements that the codes tell"""
    known: NDArray[np.bool_]
    """(B, V, N) whether all steps of a point are known"""
    size: NDArray[np.float32]
    """(B, V, 2) width and height of the frames, pixel"""


class PathScores(NamedTuple):
    """Sums over coordinates of positions, to be divided by their number."""

    coordinates: Tensor
    """Coordinates of the points all of whose steps are known"""
    within_half: Tensor
    """Coordinates that are less than half a pixel of the class grid off"""
    within: Tensor
    """(10,) coordinates that are less than 1 to 10 pixels of it off"""


def reconstructed(positions: Tensor, velocities: Tensor) -> Tensor:
    """Return paths (..., T, N, 2) that begin as the given ones, and go on by velocities (..., T - 1, N, 2).

    Examples
    --------
    >>> begin, steps = torch.zeros(3, 1, 2), torch.tensor([[[0.25, 0.0]], [[0.5, 0.0]]])
    >>> reconstructed(begin, steps)[..., 0].ravel().tolist()
    [0.0, 0.25, 0.75]
    """
    first = positions[..., :1, :, :]
    return torch.cat([first, first + velocities.cumsum(dim=-3)], dim=-3)


def path_scores(made: Tensor, positions: Tensor, known: Tensor, class_size: tuple[int, int]) -> PathScores:
    """Compare reconstructed paths with the true ones, coordinate by coordinate.

    As upstream has it (AMPLIFY, amplify/utils/metrics.py: `normalized_accuracy`, and `delta_auc` as the mean of
    `within` over its ten tolerances), a pixel is one of the height in both directions, and the first position, which
    is always right, counts. Points of which a step is not known are left out: nothing tells where they went.

    Parameters
    ----------
    made, positions : float32 (B, V, T, N, 2), (row, column), -1 to 1
    known : bool (B, V, T - 1, N)
    class_size : (height, width)

    Examples
    --------
    >>> true = torch.zeros(1, 1, 2, 1, 2)
    >>> off = reconstructed(true, torch.tensor([[0.0, 2.5 * 2 / 128]])[None, None, None])
    >>> scores = path_scores(off, true, torch.ones(1, 1, 1, 1, dtype=torch.bool), (128, 128))
    >>> int(scores.coordinates), int(scores.within_half), scores.within.tolist()[:4]
    (4, 3, [3, 3, 4, 4])
    """
    whole = known.all(dim=2)[:, :, None, :, None].expand(made.shape)
    off = (made - positions).abs()[whole] * (class_size[0] / 2)
    within = torch.stack([(off < pixels).sum() for pixels in _TOLERANCES])
    return PathScores(torch.tensor(off.numel(), device=off.device), (off < 0.5).sum(), within)


@torch.no_grad()
def reconstruction(model: MotionTokenizer, tracks: Tensor, vis: Tensor, size: Tensor) -> Reconstruction:
    """Return windows of tracks, and what their codes tell of them.

    Parameters
    ----------
    model : MotionTokenizer
        In evaluation mode.
    tracks, vis, size
        As `lapsmodels.training.motion.motion` takes them.

    Examples
    --------
    >>> from lapsmodels.tokenizer.config import TokenizerConfig
    >>> from lapsmodels.tokenizer.model import MotionTokenizer
    >>> config = TokenizerConfig(points=9, horizon=5, width=16, heads=2, head_width=8, levels=(5, 3))
    >>> still, seen = torch.full((2, 1, 5, 9, 2), 20.0), torch.ones(2, 1, 5, 9, dtype=torch.bool)
    >>> found = reconstruction(MotionTokenizer(config).eval(), still, seen, torch.tensor([[[64.0, 48.0]]] * 2))
    >>> found.made.shape, bool((found.made[:, :, 0] == 20).all())
    ((2, 1, 5, 9, 2), True)
    """
    from lapsmodels.training.motion import motion

    moved, _ = motion(tracks, vis, size, model.config)
    made = reconstructed(moved.positions, model(moved.velocities).reconstruction.float())
    half = size[:, :, None, None] / 2
    true, told = (paths.flip(-1) * half + half for paths in (moved.positions, made))
    known = moved.known.all(dim=2)
    return Reconstruction(true.cpu().numpy(), told.cpu().numpy(), known.cpu().numpy(), size.cpu().numpy())
