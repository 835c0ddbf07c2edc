"""Displacements as classes: what the decoder is trained on, and what its logits say."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch.nn import functional

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["UNSEEN", "displacement_classes", "displacement_loss", "displacements"]

UNSEEN = -100
"""In place of a class: nothing is known of this displacement, and nothing is to be learned from it."""


def displacement_classes(positions: Tensor, class_size: tuple[int, int], reach: int) -> Tensor:
    """Return the class of each displacement from a time step to the next.

    Positions are rounded to whole pixels of a grid of `class_size` first; displacements beyond `reach` have the class
    of the farthest one (AMPLIFY, amplify/models/losses.py, "relative_ce").

    Parameters
    ----------
    positions : float32 (..., T, N, 2), (row, column), -1 to 1 over the frame
    class_size : (height, width)
    reach : int

    Returns
    -------
    int64 (..., T - 1, N)
        `(rows + reach) * (2 * reach + 1) + columns + reach`.

    Examples
    --------
    >>> still = torch.zeros(3, 1, 2)
    >>> displacement_classes(still, (128, 128), 7).ravel().tolist()
    [112, 112]
    """
    half = torch.tensor(class_size, dtype=positions.dtype, device=positions.device) / 2
    pixel = (positions * half + half).clamp(min=torch.zeros_like(half), max=2 * half - 1).round()
    moved = (pixel[..., 1:, :, :] - pixel[..., :-1, :, :]).clamp(-reach, reach).long() + reach
    return moved[..., 0] * (2 * reach + 1) + moved[..., 1]


def displacement_loss(logits: Tensor, classes: Tensor, view_weights: Tensor | None = None) -> Tensor:
    """Return the mean cross-entropy over what has a class; of several views, the weighted mean.

    Parameters
    ----------
    logits : float32 (B, V, T - 1, N, classes)
    classes : int64 (B, V, T - 1, N)
        A view in which all are `UNSEEN` costs nothing.
    view_weights : float32 (V,), optional
        Equal where not given. (AMPLIFY's add up to 1.)

    Examples
    --------
    >>> even = torch.zeros(1, 1, 2, 3, 225)
    >>> round(float(displacement_loss(even, torch.zeros(1, 1, 2, 3, dtype=torch.int64))), 3)
    5.416
    """
    costs = functional.cross_entropy(logits.movedim(-1, 1), classes, ignore_index=UNSEEN, reduction="none")
    each = costs.sum(dim=(0, 2, 3)) / (classes != UNSEEN).sum(dim=(0, 2, 3)).clamp(min=1)
    return each.mean() if view_weights is None else (each * view_weights).sum() / view_weights.sum()


def displacements(logits: Tensor, class_size: tuple[int, int], reach: int) -> Tensor:
    """Return the likeliest displacement of each point, in the units of the positions.

    Parameters
    ----------
    logits : float32 (..., classes)

    Returns
    -------
    float32 (..., 2)
        (row, column).

    Examples
    --------
    >>> logits = torch.nn.functional.one_hot(torch.tensor([112, 113]), 225).float()
    >>> displacements(logits, (128, 128), 7).tolist()
    [[0.0, 0.0], [0.0, 0.015625]]
    """
    side = 2 * reach + 1
    best = logits.argmax(dim=-1)
    moved = torch.stack([best // side - reach, best % side - reach], dim=-1).to(logits.dtype)
    return moved * 2 / torch.tensor(class_size, dtype=logits.dtype, device=logits.device)
