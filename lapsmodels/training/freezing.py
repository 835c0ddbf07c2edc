"""Training some parameters alone: by patterns of their names."""

from __future__ import annotations

import fnmatch
from typing import TYPE_CHECKING

from lapsdata.errors import Problems, SchemaError, listed
from lapsmodels.tokenizer.trained import TrainedShare

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import nn

__all__ = ["freeze"]


def freeze(model: nn.Module, train_only: Sequence[str]) -> TrainedShare:
    """Leave only those parameters to training whose names have one of some patterns; all, where there are none.

    Parameters
    ----------
    model : nn.Module
        Changed: `requires_grad` of the others is False.
    train_only : sequence of str
        As of files: `decoder_blocks.*`, `*.bias`.

    Raises
    ------
    SchemaError
        Names every pattern that no parameter has.

    Examples
    --------
    >>> from torch import nn
    >>> str(freeze(nn.Linear(4, 2), ["bias"]))
    '2 of 10 parameters (20.0%), in 1 tensors'
    """
    names = [name for name, _ in model.named_parameters()]
    problems = Problems()
    for pattern in train_only:
        if not fnmatch.filter(names, pattern):
            fix = f"the names are {listed(names)}"
            message = f"expected a pattern of names, got {pattern!r}, which none has"
            problems.add("unknown-pattern", "train_only", message, fix)
    problems.raise_as(SchemaError)
    sizes = []
    for name, weight in model.named_parameters():
        weight.requires_grad_(not train_only or any(fnmatch.fnmatchcase(name, pattern) for pattern in train_only))
        if weight.requires_grad:
            sizes.append(weight.numel())
    whole = sum(weight.numel() for weight in model.parameters())
    return TrainedShare(tensors=len(sizes), trained=sum(sizes), parameters=whole)
