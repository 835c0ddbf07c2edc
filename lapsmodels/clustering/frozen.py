"""A transformer that has learned nothing, as LAPS clusters with: what order and position do to random numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lapsmodels.stages._threads import threads

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from torch import Tensor

__all__ = ["frozen_transformer"]

_LAYERS, _HEADS, _WIDTH, _BATCH = 4, 4, 256, 64


def frozen_transformer(latents: Sequence[NDArray[np.float32]], longest: int, *, seed: int = 0) -> NDArray[np.float64]:
    """Return what a transformer with random weights makes of each sequence: its mean over the steps, (S, 256).

    Four layers of four heads, as LAPS has them, whose weights were drawn without a seed; so its clusters cannot be
    made again, and these can. Positions are sines. What stands behind the end of a sequence is masked.

    Parameters
    ----------
    latents : sequence of float32 (n, D)
    longest : int
        Steps after which a sequence is cut.
    seed : int
        Of the weights.

    Examples
    --------
    >>> frozen_transformer([np.ones((3, 5), np.float32), np.zeros((2, 5), np.float32)], 3).shape
    (2, 256)
    """
    import torch
    from torch import nn

    from lapsdata.storage.tensors import as_tensor

    steps = min(longest, max(map(len, latents)))
    with torch.random.fork_rng(devices=[]), torch.no_grad(), threads(1):
        torch.manual_seed(seed)
        reading = nn.Linear(latents[0].shape[1], _WIDTH)
        layer = nn.TransformerEncoderLayer(_WIDTH, _HEADS, 4 * _WIDTH, dropout=0.0, batch_first=True)
        model = nn.TransformerEncoder(layer, _LAYERS, enable_nested_tensor=False).eval()
        positions = _sines(steps)
        found = []
        for first in range(0, len(latents), _BATCH):
            each = [as_tensor(one[:steps]) for one in latents[first : first + _BATCH]]
            lengths = torch.tensor([len(one) for one in each])
            given = nn.utils.rnn.pad_sequence(each, batch_first=True)
            behind = torch.arange(given.shape[1]) >= lengths[:, None]
            made = model(reading(given) + positions[: given.shape[1]], src_key_padding_mask=behind)
            found.append((made.masked_fill(behind[..., None], 0).sum(dim=1) / lengths[:, None]).numpy())
    return np.concatenate(found).astype(np.float64)


def _sines(steps: int) -> Tensor:
    """Return the positions of the original transformer: (steps, width)."""
    import torch

    wave = torch.exp(torch.arange(0, _WIDTH, 2) * (-np.log(10_000.0) / _WIDTH))
    angle = torch.arange(steps)[:, None] * wave
    return torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(1)
