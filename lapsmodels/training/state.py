"""All that a training goes on from, as tensors: weights, moments of the optimiser, averages, counts, losses."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import Tensor

    from lapsmodels.training.loop import Training

__all__ = ["restored", "state_tensors"]

_MODEL, _MOMENTS, _AVERAGE, _COUNTS, _LOSSES = "model/", "optimizer/", "average/", "counts/", "losses"


def state_tensors(training: Training) -> dict[str, Tensor]:
    """Return everything of a training, by name; see `restored`."""
    tensors = {_MODEL + name: value for name, value in training.model.state_dict().items()}
    for number, moments in training.optimizer.state_dict()["state"].items():
        tensors |= {f"{_MOMENTS}{number}/{name}": value for name, value in moments.items()}
    tensors |= {_AVERAGE + name: value for name, value in (training.average or {}).items()}
    tensors |= {_COUNTS + name: value for name, value in training.meter.tensors.items()}
    return tensors | {_LOSSES: torch.tensor(training.losses, dtype=torch.float64)}


def restored(training: Training, step: int, tensors: dict[str, Tensor]) -> Training:
    """Put a training that has just begun where another of the same options stood.

    Parameters
    ----------
    training : Training
        Changed, and returned.
    step : int
    tensors : dict of Tensor
        From `state_tensors`.
    """
    device = next(training.model.parameters()).device
    training.model.load_state_dict(_under(tensors, _MODEL))
    moments: dict[int, dict[str, Tensor]] = {}
    for name, value in _under(tensors, _MOMENTS).items():
        number, _, part = name.partition("/")
        moments.setdefault(int(number), {})[part] = value
    training.optimizer.load_state_dict({**training.optimizer.state_dict(), "state": moments})
    if training.average is not None:
        training.average = {name: value.to(device) for name, value in _under(tensors, _AVERAGE).items()}
    training.meter.tensors = {name: value.to(device) for name, value in _under(tensors, _COUNTS).items()}
    training.step, training.losses = step, tensors[_LOSSES].tolist()
    return training


def _under(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
