"""What a training has come to, as a tokenizer carries it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from lapsdata.errors import Problem
from lapsdata.schema.base import Count, Positive, Rate, Record
from lapsmodels.tokenizer.class_use import ClassUse
from lapsmodels.tokenizer.codebook import CodebookUse
from lapsmodels.tokenizer.corrections import Corrections

if TYPE_CHECKING:
    from lapsdata.timebase import FrameRate

__all__ = ["EpochUse", "Trained", "TrainedShare", "collapse_problems", "is_other_rate", "unlike_hz"]

_Share = Annotated[float, Field(ge=0, le=1)]

# A container may round its rate, and medians of variable ones are never quite equal.
_SAME_RATE = 1.01

_ALIKE = 0.01
"""By how much a share of right classes may exceed that of the most common one, and still be nothing but that."""


class EpochUse(Record):
    """Shares over the windows of an epoch."""

    windows: Count
    """Windows that were counted."""
    loss: float
    """Mean of what is made small."""
    accuracy: _Share
    """Share of the displacements whose class is the likeliest."""
    majority_share: _Share
    """Share of the displacements of the most common class: what a model has right that knows nothing of the windows."""
    delta_auc: _Share | None = None
    """Mean share of coordinates within 1 to 10 pixels; see `path_scores`. Null where paths were not compared."""
    normalized_accuracy: _Share | None = None
    """Share of coordinates within half a pixel; the same."""
    unseen_share: _Share | None = None
    """Share of the positions that were not seen. Null where they were not counted."""
    outside: Count | None = None
    """Positions beyond the frame; the same."""
    classes: ClassUse
    """How the classes of displacement fit."""
    codebook: CodebookUse
    """How the codes are used."""

    @property
    def collapsed(self) -> bool:
        """Whether the codes say nothing of the windows."""
        return self.codebook.collapsed or (
            self.accuracy <= self.majority_share + _ALIKE and self.codebook.per_step_perplexity < 2
        )


class TrainedShare(Record):
    """How much of a model is trained.

    Examples
    --------
    >>> str(TrainedShare(tensors=2, trained=512, parameters=2048))
    '512 of 2,048 parameters (25.0%), in 2 tensors'
    """

    tensors: Count
    """Tensors that are trained."""
    trained: Count
    """Their numbers."""
    parameters: Count
    """Numbers of all tensors."""

    def __str__(self) -> str:
        """Return one line for people."""
        share = self.trained / max(1, self.parameters)
        return f"{self.trained:,} of {self.parameters:,} parameters ({share:.1%}), in {self.tensors} tensors"


class Trained(Record):
    """What a training has come to."""

    windows: Positive
    """Windows that were learned from."""
    rate: Rate | None = None
    """Frames per second of these windows; null where they differ or vary, or that was not noted."""
    steps: Positive
    """Steps of the optimiser."""
    epochs: Annotated[float, Field(gt=0)]
    """Epochs that were planned, all of which are done."""
    taken_from: Positive
    """Step after which the weights were taken: the last, or that of the state that was judged best."""
    share: TrainedShare
    """How much of the model was trained."""
    corrections: Corrections
    """What was done otherwise than as published."""
    first_loss: float
    """Mean of what was made small over the first tenth of the steps; see `LossOptions`."""
    last_loss: float
    """The same over the last tenth."""
    train: EpochUse
    """What the weights come to on all windows that were learned from."""
    val: EpochUse | None = None
    """What they come to on those of other videos; null where none judged."""


def collapse_problems(found: EpochUse, where: str) -> tuple[Problem, ...]:
    """Say whether the codes say nothing of the windows.

    Examples
    --------
    >>> from lapsmodels.tokenizer.codebook import codebook_use
    >>> none = ClassUse(displacements=0, centre_share=0, beyond_share=0)
    >>> alike = codebook_use([[7, 7], [7, 7]], 64)
    >>> used = EpochUse(windows=2, loss=5.4, accuracy=0.6, majority_share=0.6, classes=none, codebook=alike)
    >>> [problem.code for problem in collapse_problems(used, "epoch 1")]
    ['collapsed-codebook']
    """
    if not found.collapsed:
        return ()
    message = (
        f"expected codes that tell motions apart, got a collapsed codebook: {found.codebook}; {found.accuracy:.1%} of "
        f"the classes are right, and {found.majority_share:.1%} are the most common one"
    )
    fix = "where something moves, train for more steps, or look at the tracks and at diversity"
    return (Problem("collapsed-codebook", where, message, fix, "warning"),)


def unlike_hz(one: float, other: float) -> bool:
    """Say whether two rates are not one and the same: they differ by more than a hundredth.

    Examples
    --------
    >>> unlike_hz(30.0, 29.97), unlike_hz(30.0, 25.0)
    (False, True)
    """
    return max(one, other) > _SAME_RATE * min(one, other)


def is_other_rate(rate: FrameRate | None, trained: FrameRate | None) -> bool:
    """Say whether frames follow each other at another rate than was trained on; never where that is not known.

    Parameters
    ----------
    rate : FrameRate or None
        Of the frames; None where it varies.
    trained : FrameRate or None
        None where it is not known.

    Examples
    --------
    >>> from lapsdata.timebase import FrameRate
    >>> is_other_rate(FrameRate(5), FrameRate(10)), is_other_rate(FrameRate(5), None)
    (True, False)
    """
    return trained is not None and (rate is None or unlike_hz(rate.hz, trained.hz))
