"""Pre-norm transformer blocks without biases, as GPT-2 orders them (AMPLIFY, amplify/models/transformer.py)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn import functional

if TYPE_CHECKING:
    from typing import Literal

    from torch import Tensor

__all__ = ["CrossBlock", "SelfBlock", "visible"]


def visible(attention: Literal["causal", "full", "step"], length: int) -> Tensor:
    """Return which positions (row) see which (column): bool (L, L).

    Examples
    --------
    >>> visible("causal", 3).int().tolist()
    [[1, 0, 0], [1, 1, 0], [1, 1, 1]]
    """
    whole = torch.ones(length, length, dtype=torch.bool)
    if attention == "full":
        return whole
    return whole.tril() if attention == "causal" else torch.eye(length, dtype=torch.bool)


class _Attention(nn.Module):
    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads, self.dropout = heads, dropout
        self.out = nn.Linear(width, width, bias=False)

    def attend(self, query: Tensor, key: Tensor, value: Tensor, seen: Tensor | None) -> Tensor:
        """Attend from (B, L, D) to (B, M, D)."""
        dropout = self.dropout if self.training else 0.0
        mixed = functional.scaled_dot_product_attention(
            self._by_head(query), self._by_head(key), self._by_head(value), attn_mask=seen, dropout_p=dropout
        )
        return functional.dropout(self.out(mixed.transpose(1, 2).flatten(2)), self.dropout, self.training)

    def _by_head(self, x: Tensor) -> Tensor:
        return x.view(*x.shape[:-1], self.heads, -1).transpose(1, 2)


class _SelfAttention(_Attention):
    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__(width, heads, dropout)
        self.query_key_value = nn.Linear(width, 3 * width, bias=False)

    def forward(self, x: Tensor, seen: Tensor | None) -> Tensor:
        query, key, value = self.query_key_value(x).chunk(3, dim=-1)
        return self.attend(query, key, value, seen)


class _CrossAttention(_Attention):
    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__(width, heads, dropout)
        self.query = nn.Linear(width, width, bias=False)
        self.key_value = nn.Linear(width, 2 * width, bias=False)

    def forward(self, x: Tensor, memory: Tensor) -> Tensor:
        key, value = self.key_value(memory).chunk(2, dim=-1)
        return self.attend(self.query(x), key, value, None)


class _FeedForward(nn.Module):
    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.dropout = dropout
        self.wide, self.narrow = nn.Linear(width, 4 * width, bias=False), nn.Linear(4 * width, width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return functional.dropout(self.narrow(functional.gelu(self.wide(x))), self.dropout, self.training)


class SelfBlock(nn.Module):
    """Self-attention and a feed-forward part, each beside what it was given.

    Examples
    --------
    >>> SelfBlock(8, 2, 0.0)(torch.zeros(1, 3, 8), None).shape
    torch.Size([1, 3, 8])
    """

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.before_attention, self.attention = nn.LayerNorm(width, bias=False), _SelfAttention(width, heads, dropout)
        self.before_feed, self.feed = nn.LayerNorm(width, bias=False), _FeedForward(width, dropout)

    def forward(self, x: Tensor, seen: Tensor | None) -> Tensor:
        """Return (B, L, D) for x (B, L, D) and seen (L, L), None for all."""
        x = x + self.attention(self.before_attention(x), seen)
        fed: Tensor = x + self.feed(self.before_feed(x))
        return fed


class CrossBlock(nn.Module):
    """A `SelfBlock`, and the same once more with attention to a memory.

    Examples
    --------
    >>> CrossBlock(8, 2, 0.0)(torch.zeros(1, 3, 8), torch.zeros(1, 5, 8)).shape
    torch.Size([1, 3, 8])
    """

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.own = SelfBlock(width, heads, dropout)
        self.before_attention, self.attention = nn.LayerNorm(width, bias=False), _CrossAttention(width, heads, dropout)
        self.before_feed, self.feed = nn.LayerNorm(width, bias=False), _FeedForward(width, dropout)

    def forward(self, x: Tensor, memory: Tensor) -> Tensor:
        """Return (B, L, D) for x (B, L, D) and memory (B, M, D)."""
        x = self.own(x, None)
        x = x + self.attention(self.before_attention(x), memory)
        fed: Tensor = x + self.feed(self.before_feed(x))
        return fed
