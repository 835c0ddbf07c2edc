"""The motion tokenizer: an encoder, a finite scalar quantisation, and a decoder that classifies displacements."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from torch import nn
from torch.nn import functional
from vector_quantize_pytorch import FSQ

from lapsdata.errors import Problem, SchemaError
from lapsmodels.tokenizer.blocks import CrossBlock, SelfBlock, visible

if TYPE_CHECKING:
    from torch import Tensor

    from lapsmodels.tokenizer.config import TokenizerConfig

__all__ = ["Encoded", "MotionTokenizer"]


class Encoded(NamedTuple):
    """What windows are encoded to; B windows, L codes, D wide."""

    prequant: Tensor
    """(B, L, D) latents of the encoder"""
    quantized: Tensor
    """(B, L, D) the same after quantisation; gradients pass straight through"""
    codes: Tensor
    """(B, L) int32, 0 up to the number of codes"""


class MotionTokenizer(nn.Module):
    """Turns velocities of point tracks into codes, and codes into classes of displacement.

    Architecture of AMPLIFY (arXiv 2506.14198; pairlab/AMPLIFY, amplify/models/motion_tokenizer.py): held against its
    outputs in the tests.

    Parameters
    ----------
    config : TokenizerConfig

    Examples
    --------
    >>> import torch
    >>> from lapsmodels.tokenizer.config import TokenizerConfig
    >>> config = TokenizerConfig(points=9, horizon=5, width=16, heads=2, head_width=8, levels=(5, 3))
    >>> model = MotionTokenizer(config).eval()
    >>> encoded = model.encode(torch.zeros(2, 1, 4, 9, 2))
    >>> encoded.codes.shape, model.decode(encoded.quantized).shape
    (torch.Size([2, 4]), torch.Size([2, 1, 4, 9, 225]))
    """

    def __init__(self, config: TokenizerConfig) -> None:
        super().__init__()
        self.config = config
        width, length, dropout = config.width, config.length, config.dropout
        together = 1 if config.per_view else config.views
        self.project = nn.Linear(together * config.points * 2, width)
        self.encoder_position = nn.Embedding(length, width)
        self.encoder_blocks = nn.ModuleList(
            SelfBlock(width, config.heads, dropout) for _ in range(config.encoder_layers)
        )
        self.encoder_norm = nn.LayerNorm(width, bias=False)
        self.quantizer = FSQ(list(config.levels), dim=width)
        self.decoder_position = nn.Embedding(length, width)
        self.decoder_blocks = nn.ModuleList(
            CrossBlock(width, config.heads, dropout) for _ in range(config.decoder_layers)
        )
        self.decoder_norm = nn.LayerNorm(width, bias=False)
        self.point = nn.Embedding(config.points, width)
        self.view = nn.Embedding(config.views, width)
        self.widen, self.narrow = nn.Linear(3 * width, config.head_width), nn.Linear(config.head_width, width)
        self.classify = nn.Linear(width, config.classes)
        self.register_buffer("seen", visible(config.attention, length), persistent=False)
        # A quantiser that began so small would give every step one code.
        for part in (self.encoder_blocks, self.decoder_blocks, self.point, self.view):
            part.apply(_start)

    def encode(self, velocities: Tensor) -> Encoded:
        """Encode windows.

        Parameters
        ----------
        velocities : float32 (B, V, T - 1, N, 2)
            Steps of (row, column) positions, each from -1 to 1 over the frame; see `geometry.pixel_to_amplify`.

        Raises
        ------
        SchemaError
            Another shape.
        """
        config = self.config
        expected = (config.views, config.steps, config.points, 2)
        if velocities.ndim != 5 or tuple(velocities.shape[1:]) != expected:
            message = (
                f"expected (B, V, T - 1, N, 2) = (B, {', '.join(map(str, expected))}), got {tuple(velocities.shape)}"
            )
            raise SchemaError(Problem("wrong-shape", "velocities", message))
        x = velocities * config.scale
        x = x.flatten(3).flatten(1, 2) if config.per_view else x.transpose(1, 2).flatten(2)
        x = functional.dropout(self.project(x) + self.encoder_position.weight, config.dropout, self.training)
        for block in self.encoder_blocks:
            x = block(x, self.seen)
        prequant = self.encoder_norm(x)
        quantized, codes = self.quantizer(prequant)
        return Encoded(prequant, quantized, codes)

    def decode(self, quantized: Tensor, points: Tensor | None = None) -> Tensor:
        """Return logits of the displacement of each point.

        Parameters
        ----------
        quantized : float32 (B, L, D)
        points : int64 (M,), optional
            Decode these points alone.

        Returns
        -------
        float32 (B, V, T - 1, M, classes)
            M = N where no points are given.
        """
        config = self.config
        x = self.decoder_position.weight.expand(len(quantized), -1, -1)
        x = functional.dropout(x, config.dropout, self.training)
        for block in self.decoder_blocks:
            x = block(x, quantized)
        x = self.decoder_norm(x)
        x = x.unflatten(1, (config.views, -1)) if config.per_view else x[:, None].expand(-1, config.views, -1, -1)
        chosen = self.point.weight if points is None else self.point(points)
        # The first layer takes step, point and view side by side: each is taken through it once, not once per pair.
        of_step, of_point, of_view = self.widen.weight.chunk(3, dim=1)
        inner = functional.linear(x, of_step, self.widen.bias)[..., None, :] + functional.linear(chosen, of_point)
        inner = inner + functional.linear(self.view.weight, of_view)[:, None, None]
        logits: Tensor = self.classify(x[..., None, :] + self.narrow(functional.relu(inner)))
        return logits


def _start(module: nn.Module) -> None:
    """Give a layer the initial weights that GPT-2 has."""
    if isinstance(module, (nn.Linear, nn.Embedding)):
        nn.init.normal_(module.weight, std=0.02)
