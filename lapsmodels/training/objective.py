"""What a step makes small: as a module, so that the processes of a training share its gradients."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import nn

from lapsdata.errors import LapsError, Problem
from lapsmodels.tokenizer.losses import (
    UNSEEN,
    code_information,
    displacement_classes,
    displacement_costs,
    whole_displacements,
)
from lapsmodels.training.motion import motion

if TYPE_CHECKING:
    from torch import Tensor

    from lapsmodels.tokenizer.config import TokenizerConfig
    from lapsmodels.tokenizer.corrections import LossOptions
    from lapsmodels.tokenizer.model import MotionTokenizer, Tokenized
    from lapsmodels.training.motion import Motion, MotionCounts
    from lapsmodels.training.ranks import Ranks

__all__ = ["Lesson", "Objective", "Taught", "lesson", "require_number"]


class Lesson(NamedTuple):
    """Windows, and what is to be learned of them."""

    moved: Motion
    counts: MotionCounts
    classes: Tensor
    """(B, V, T - 1, M) int64: the class of each chosen point's displacement, or `UNSEEN`"""
    beyond: Tensor
    """(B, V, T - 1, M) bool: whether it is farther than the farthest class"""
    valid: Tensor
    """(B,) bool: whether a window counts; the last batch of an epoch may hold repeats"""

    @property
    def known(self) -> Tensor:
        """(V,) how many displacements of each view have a class."""
        return (self.classes != UNSEEN).sum(dim=(0, 2, 3))

    def part(self, rows: slice) -> Lesson:
        """Return some of the windows."""
        positions, velocities, known = (values[rows] for values in self.moved)
        moved = self.moved._replace(positions=positions, velocities=velocities, known=known)
        return Lesson(moved, self.counts, self.classes[rows], self.beyond[rows], self.valid[rows])


class Taught(NamedTuple):
    """What came of a lesson."""

    loss: Tensor
    """() to go backward from: divided by the number of processes, it is this one's share of the gradient"""
    costs: Tensor
    """(V,) sums of the costs of displacements, of this process"""
    spread: Tensor
    """() what the codes of all processes' windows cost for being too alike; the same in all"""
    made: Tokenized


def lesson(
    tracks: Tensor, vis: Tensor, size: Tensor, valid: Tensor, config: TokenizerConfig, points: Tensor | None = None
) -> Lesson:
    """Return what is to be learned of windows.

    Parameters
    ----------
    tracks, vis, size
        As `lapsmodels.training.motion.motion` takes them.
    valid : bool (B,)
    config : TokenizerConfig
    points : int64 (M,), optional
        Points whose displacements are learned; all by default.

    Examples
    --------
    >>> from lapsmodels.tokenizer.config import TokenizerConfig
    >>> still, seen = torch.full((2, 1, 5, 9, 2), 20.0), torch.ones(2, 1, 5, 9, dtype=torch.bool)
    >>> size, valid = torch.tensor([[[64.0, 48.0]]] * 2), torch.tensor([True, False])
    >>> told = lesson(still, seen, size, valid, TokenizerConfig(points=9, horizon=5))
    >>> told.known.tolist(), int(told.classes[0, 0, 0, 0])
    ([36], 112)
    """
    moved, counts = motion(tracks, vis, size, config)
    positions, known = moved.positions, moved.known & valid[:, None, None, None]
    if points is not None:
        positions, known = positions.index_select(3, points), known.index_select(3, points)
    classes = displacement_classes(positions, config.class_size, config.reach, config.rounding)
    whole = whole_displacements(positions, config.class_size, config.rounding)
    beyond = (whole.abs() > config.reach).any(dim=-1)
    return Lesson(moved, counts, classes.masked_fill(~known, UNSEEN), beyond, valid)


def require_number(value: float, what: str, when: str) -> None:
    """Refuse to go on from numbers that are none.

    Raises
    ------
    LapsError
        Says what is no number, and when.

    Examples
    --------
    >>> require_number(0.5, "a loss", "step 3")
    """
    if not math.isfinite(value):
        message = f"expected {what} that is a number, got {value} in {when}"
        fix = "a lower rate, or float32 in place of bfloat16; the last state stands in checkpoints"
        raise LapsError(Problem("not-finite", "train", message, fix))


class Objective(nn.Module):
    """A model with what its outputs cost.

    Parameters
    ----------
    model : MotionTokenizer
    options : LossOptions
    ranks : Ranks
    parts : int
        Into how many parts the windows of a step are cut: codes are held apart within each.
    """

    def __init__(self, model: MotionTokenizer, options: LossOptions, ranks: Ranks, parts: int = 1) -> None:
        super().__init__()
        self.model, self._options, self._ranks, self._parts = model, options, ranks, parts

    def forward(self, taught: Lesson, points: Tensor | None, known: Tensor) -> Taught:
        """Return what a lesson costs.

        Parameters
        ----------
        taught : Lesson
        points : int64 (M,), optional
        known : int64 (V,)
            How many displacements of each view have a class, in all parts of the step and in all processes.
        """
        options, ranks = self._options, self._ranks
        made = self.model(taught.moved.velocities, points)
        costs = displacement_costs(made.logits.float(), taught.classes, options)
        loss = (costs / known.clamp(min=1)).mean()
        spread = torch.zeros((), device=costs.device)
        if options.diversity:
            bounded = ranks.gathered(self.model.bounded(made.prequant).float())
            kept = bounded[ranks.gathered(taught.valid)]
            spread = options.diversity * (1 - code_information(kept, self.model.config.levels)) / self._parts
        # The gradients of all processes are averaged, and here they are parts of a sum.
        return Taught((loss + spread) * ranks.count, costs.detach(), spread.detach(), made)
