"""Displacements as classes: what the decoder is trained on, and what its logits say; and codes that tell apart."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

import torch
from torch.nn import functional

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from lapsmodels.tokenizer.corrections import LossOptions

__all__ = [
    "UNSEEN",
    "Rounding",
    "class_costs",
    "code_information",
    "displacement_classes",
    "displacement_costs",
    "displacement_loss",
    "displacements",
    "whole_displacements",
]

UNSEEN = -100
"""In place of a class: nothing is known of this displacement, and nothing is to be learned from it."""

Rounding = Literal["displacements", "positions"]
"""What is rounded to whole pixels of the class grid; see `Corrections.rounding`."""

# Standard deviation of a soft level, in levels: a neighbour is still felt, and halfway is no place to stay.
_SOFTNESS = 0.5


def whole_displacements(positions: Tensor, class_size: tuple[int, int], rounding: Rounding = "positions") -> Tensor:
    """Return each displacement from a time step to the next in whole pixels of the class grid.

    Parameters
    ----------
    positions : float32 (..., T, N, 2), (row, column), -1 to 1 over the frame
    class_size : (height, width)
    rounding : {"positions", "displacements"}
        Positions are moved to the border pixels of the frame, and rounded, before they are taken from each other
        (AMPLIFY, amplify/models/losses.py, "relative_ce"); or their differences are rounded.

    Returns
    -------
    float32 (..., T - 1, N, 2)

    Examples
    --------
    >>> slow = torch.tensor([0.0, 0.6, 1.2])[:, None, None].expand(3, 1, 2) / 64
    >>> whole_displacements(slow, (128, 128))[..., 0].ravel().tolist()
    [1.0, 0.0]
    >>> whole_displacements(slow, (128, 128), "displacements")[..., 0].ravel().tolist()
    [1.0, 1.0]
    """
    half = torch.tensor(class_size, dtype=positions.dtype, device=positions.device) / 2
    if rounding == "displacements":
        return (positions.diff(dim=-3) * half).round()
    pixel = (positions * half + half).clamp(min=torch.zeros_like(half), max=2 * half - 1).round()
    return pixel.diff(dim=-3)


def displacement_classes(
    positions: Tensor, class_size: tuple[int, int], reach: int, rounding: Rounding = "positions"
) -> Tensor:
    """Return the class of each displacement from a time step to the next.

    Displacements beyond `reach` have the class of the farthest one.

    Parameters
    ----------
    positions : float32 (..., T, N, 2), (row, column), -1 to 1 over the frame
    class_size : (height, width)
    reach : int
        Pixels of the class grid.
    rounding : {"positions", "displacements"}
        See `whole_displacements`.

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
    moved = whole_displacements(positions, class_size, rounding).clamp(-reach, reach).long() + reach
    return moved[..., 0] * (2 * reach + 1) + moved[..., 1]


def class_costs(reach: int, options: LossOptions) -> Tensor:
    """Return what each class costs beside the one of no displacement; see `LossOptions.radial_strength`.

    Returns
    -------
    float32 ((2 * reach + 1) ** 2,)

    Examples
    --------
    >>> from lapsmodels.tokenizer.corrections import LAPS
    >>> class_costs(1, LAPS).tolist()
    [5.0, 3.0, 5.0, 3.0, 1.0, 3.0, 5.0, 3.0, 5.0]
    """
    along = torch.arange(-reach, reach + 1, dtype=torch.float64)
    distance = torch.hypot(along[:, None], along) / math.hypot(reach, reach)
    return (1 + options.radial_strength * distance**options.radial_power).flatten().float()


def displacement_loss(
    logits: Tensor, classes: Tensor, view_weights: Tensor | None = None, options: LossOptions | None = None
) -> Tensor:
    """Return the mean cost over what has a class; of several views, the weighted mean.

    Parameters
    ----------
    logits : float32 (B, V, T - 1, N, classes)
    classes : int64 (B, V, T - 1, N)
        A view in which all are `UNSEEN` costs nothing.
    view_weights : float32 (V,), optional
        Equal where not given. (AMPLIFY adds up what they weigh, and those of its two views make 1.)
    options : LossOptions, optional
        As published, the cost is the cross-entropy, where not given.

    Examples
    --------
    >>> even = torch.zeros(1, 1, 2, 3, 225)
    >>> round(float(displacement_loss(even, torch.zeros(1, 1, 2, 3, dtype=torch.int64))), 3)
    5.416
    """
    costs = displacement_costs(logits, classes, options)
    each = costs / (classes != UNSEEN).sum(dim=(0, 2, 3)).clamp(min=1)
    return each.mean() if view_weights is None else (each * view_weights).sum() / view_weights.sum()


def displacement_costs(logits: Tensor, classes: Tensor, options: LossOptions | None = None) -> Tensor:
    """Return what the displacements of each view cost, added up: (V,); see `displacement_loss`.

    Examples
    --------
    >>> even = torch.zeros(1, 2, 2, 3, 225)
    >>> [round(cost, 3) for cost in displacement_costs(even, torch.zeros(1, 2, 2, 3, dtype=torch.int64)).tolist()]
    [32.497, 32.497]
    """
    costs = functional.cross_entropy(logits.movedim(-1, 1), classes, ignore_index=UNSEEN, reduction="none")
    if options is not None:
        weights = options.focal_alpha * class_costs((math.isqrt(logits.shape[-1]) - 1) // 2, options).to(costs)
        # p = exp(-cross-entropy), and 1 - p is not to lose its digits where p is nearly 1.
        unlikely = -torch.expm1(-costs) if options.focal_gamma else torch.ones_like(costs)
        costs = unlikely**options.focal_gamma * costs * weights[classes.clamp(min=0)]
    return costs.sum(dim=(0, 2, 3))


def code_information(bounded: Tensor, levels: Sequence[int]) -> Tensor:
    """Return how much the codes of a step tell about which of the windows they belong to; 0 nothing, near 1 most.

    A value between two levels belongs to both, by a normal density around each, so that there is a gradient where the
    codes have none. Of these shares: the entropy of their mean over the windows, less the mean of their entropies, as
    a share of the logarithm of the levels; the mean over steps and over the dimensions of the quantiser. Steps are kept
    apart, since codes that only count them say nothing of the motion.

    Parameters
    ----------
    bounded : float32 (B, L, dimensions)
        What the quantiser rounds; see `MotionTokenizer.bounded`. One window tells nothing: 0, without gradient.
    levels : sequence of int
        By dimension.

    Returns
    -------
    float32 ()

    Examples
    --------
    >>> round(float(code_information(torch.tensor([-2.0, -1, 0, 1, 2])[:, None, None], [5])), 2)
    0.66
    >>> abs(float(code_information(torch.ones(5, 1, 1), [5]))) < 1e-6
    True
    """
    total = bounded.new_zeros(())
    for dimension, count in enumerate(levels):
        level = torch.arange(count, device=bounded.device) - count // 2
        shares = functional.softmax(-((bounded[..., dimension, None] - level) ** 2) / (2 * _SOFTNESS**2), dim=-1)
        told = _entropy(shares.mean(dim=0)) - _entropy(shares).mean(dim=0)
        total = total + told.mean() / math.log(count)
    return total / len(levels)


def _entropy(shares: Tensor) -> Tensor:
    return -torch.xlogy(shares, shares).sum(dim=-1)


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
