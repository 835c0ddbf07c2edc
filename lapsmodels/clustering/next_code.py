"""The model behind the embedding `lstm`: what code comes next, and what code came before.

Each direction is a stack of its own: where the layers of a bidirectional LSTM are put on one another, the second one
has seen the code that it is asked for, and learns to copy it (so does LAPS's, whose loss says nothing therefore).
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

__all__ = ["NextCode", "Padded", "padded"]

_PAD = 0


class Padded(NamedTuple):
    """Sequences of a batch, one below the other.

    Parameters
    ----------
    ids : int64 (B, L)
        Codes + 1; 0 behind the end of a sequence.
    lengths : int64 (B,)
    """

    ids: Tensor
    lengths: Tensor


def padded(each: list[Tensor], longest: int) -> Padded:
    """Return sequences of codes as a batch; those longer than `longest` lose their end.

    Examples
    --------
    >>> padded([torch.tensor([4, 0, 2]), torch.tensor([1])], 2).ids
    tensor([[5, 1],
            [2, 0]])
    """
    cut = [one[:longest].long() + 1 for one in each]
    return Padded(
        nn.utils.rnn.pad_sequence(cut, batch_first=True, padding_value=_PAD),
        torch.tensor([len(one) for one in cut]),
    )


class NextCode(nn.Module):
    """Two LSTMs over the codes of a sequence, one in each direction.

    Parameters
    ----------
    codes : int
        Number of codes that can occur.
    width, layers : int
        Of each direction.
    dropout : float

    Examples
    --------
    >>> model = NextCode(codes=12, width=8, layers=2, dropout=0.0).eval()
    >>> model.embed(padded([torch.tensor([4, 0, 2]), torch.tensor([1])], 3)).shape
    torch.Size([2, 16])
    """

    def __init__(self, codes: int, width: int, layers: int, dropout: float) -> None:
        super().__init__()
        self.book = nn.Embedding(codes + 1, width, padding_idx=_PAD)
        self.dropout = nn.Dropout(dropout)
        between = dropout if layers > 1 else 0.0
        self.onward = nn.LSTM(width, width, layers, batch_first=True, dropout=between)
        self.back = nn.LSTM(width, width, layers, batch_first=True, dropout=between)
        self.next = nn.Linear(width, codes)
        self.previous = nn.Linear(width, codes)

    def states(self, batch: Padded) -> tuple[Tensor, Tensor]:
        """Return what each direction knows at each step, itself included: (B, L, width) of both.

        What stands behind the end of a sequence comes after it in both directions, and so changes nothing in it.
        """
        read = self.dropout(self.book(batch.ids))
        turned = _turned(batch)
        onward, _ = self.onward(read)
        back, _ = self.back(_picked(read, turned))
        return onward, _picked(back, turned)

    def loss(self, batch: Padded) -> tuple[Tensor, int]:
        """Return the summed cross entropy of the next and the previous codes, nats, and how many were asked for."""
        total, asked = torch.zeros(()), 2 * int((batch.lengths - 1).sum())
        if not asked:
            return total, 0
        onward, back = self.states(batch)
        # Codes from 0; -1, which is not counted, where there is none.
        targets = batch.ids - 1
        questions = ((self.next, onward[:, :-1], targets[:, 1:]), (self.previous, back[:, 1:], targets[:, :-1].clone()))
        # The last step of each has no next code behind it: what is asked of the pad is not counted.
        questions[1][2][targets[:, 1:] < 0] = -1
        for head, state, target in questions:
            logits = head(self.dropout(state))
            total = total + cross_entropy(logits.flatten(0, 1), target.flatten(), ignore_index=-1, reduction="sum")
        return total, asked

    def embed(self, batch: Padded) -> Tensor:
        """Return the mean of both directions over the steps of each sequence: (B, 2 width)."""
        known = (batch.ids != _PAD)[..., None]
        both = torch.cat(self.states(batch), dim=-1)
        return (both * known).sum(dim=1) / batch.lengths[:, None]


def _turned(batch: Padded) -> Tensor:
    """Return the places (B, L) that turn each sequence round and leave what is behind its end."""
    at = torch.arange(batch.ids.shape[1]).expand_as(batch.ids)
    back = batch.lengths[:, None] - 1 - at
    return torch.where(back >= 0, back, at)


def _picked(values: Tensor, places: Tensor) -> Tensor:
    return torch.gather(values, 1, places[..., None].expand_as(values))
