"""The motion tokenizer: an encoder, a finite scalar quantisation, and a decoder that classifies displacements."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import nn
from torch.nn import functional
from vector_quantize_pytorch import FSQ

from lapsdata.errors import Problem, SchemaError
from lapsmodels.tokenizer.amplify import amplify_config, amplify_weights
from lapsmodels.tokenizer.blocks import CrossBlock, SelfBlock, visible
from lapsmodels.tokenizer.losses import displacements

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor

    from lapsmodels.tokenizer.config import TokenizerConfig

__all__ = ["Encoded", "MotionTokenizer", "Tokenized"]


class Encoded(NamedTuple):
    """What windows are encoded to; B windows, L codes, D wide.

    Examples
    --------
    >>> Encoded._fields
    ('indices', 'quantized', 'prequant')
    """

    indices: Tensor
    """(B, L) int32, 0 up to the number of codes"""
    quantized: Tensor
    """(B, L, D) float32: `prequant` after quantisation; gradients pass straight through"""
    prequant: Tensor
    """(B, L, D) latents of the encoder"""


class Tokenized(NamedTuple):
    """What the whole model makes of windows."""

    indices: Tensor
    """(B, L) int32, 0 up to the number of codes"""
    logits: Tensor
    """(B, V, T - 1, M, classes) of the displacement of each point; M = N where no points were given"""
    prequant: Tensor
    """(B, L, D) latents of the encoder"""
    config: TokenizerConfig

    @property
    def reconstruction(self) -> Tensor:
        """(B, V, T - 1, M, 2) the likeliest velocities, in the units of those that were given."""
        return displacements(self.logits, self.config.class_size, self.config.reach)


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
    >>> velocities = torch.zeros(2, 1, 4, 9, 2)
    >>> encoded = model.encode(velocities)
    >>> encoded.indices.shape, model.decode(encoded.quantized).shape
    (torch.Size([2, 4]), torch.Size([2, 1, 4, 9, 225]))
    >>> model(velocities).reconstruction.shape
    torch.Size([2, 1, 4, 9, 2])
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

    @classmethod
    def from_amplify(cls, checkpoint: Mapping[str, Any], config: TokenizerConfig | None = None) -> MotionTokenizer:
        """Return a model with the weights of a checkpoint of pairlab/AMPLIFY, in evaluation mode.

        Parameters
        ----------
        checkpoint : mapping
            The weights by their names upstream, or a whole checkpoint; see `amplify.amplify_weights`.
        config : TokenizerConfig, optional
            That of the checkpoint, where it has one, by default.

        Raises
        ------
        SchemaError
            No configuration, or another one than the checkpoint has; weights that are unknown, missing or of another
            shape: all of them are named.
        """
        told = checkpoint.get("config")
        theirs = amplify_config(told) if isinstance(told, Mapping) else None
        chosen = config or theirs
        if chosen is None:
            fix = "give the TokenizerConfig that it was trained with"
            message = "expected a configuration in the checkpoint or beside it, got none"
            raise SchemaError(Problem("no-config", "config", message, fix))
        problems = [*_differences(chosen, theirs or chosen)]
        model, weights = cls(chosen), amplify_weights(checkpoint)
        expected = {name: tuple(value.shape) for name, value in model.state_dict().items()}
        got = {name: tuple(value.shape) for name, value in weights.items()}
        for name in sorted(expected.keys() | got.keys()):
            if expected.get(name) != got.get(name):
                message = f"expected {expected.get(name, 'none')}, got {got.get(name, 'none')}"
                problems.append(Problem("wrong-weights", name, message))
        if problems:
            raise SchemaError(*problems)
        model.load_state_dict(weights)
        return model.eval()

    def forward(self, velocities: Tensor, points: Tensor | None = None) -> Tokenized:
        """Encode windows, and decode their codes.

        Parameters
        ----------
        velocities : float32 (B, V, T - 1, N, 2)
            As `encode` takes them.
        points : int64 (M,), optional
            Decode these points alone.

        Raises
        ------
        SchemaError
            As `encode`.
        """
        encoded = self.encode(velocities)
        return Tokenized(encoded.indices, self.decode(encoded.quantized, points), encoded.prequant, self.config)

    def encode(self, velocities: Tensor) -> Encoded:
        """Encode windows.

        Parameters
        ----------
        velocities : float32 (B, V, T - 1, N, 2)
            Steps of (row, column) positions, each from -1 to 1 over the frame; see `geometry.pixel_to_amplify`.

        Raises
        ------
        SchemaError
            No window, another shape or type; in evaluation mode, velocities that are no numbers.
        """
        config = self.config
        expected = (config.views, config.steps, config.points, 2)
        _refuse_other_type(velocities, self.project.weight.dtype)
        if velocities.ndim != 5 or tuple(velocities.shape[1:]) != expected:
            message = (
                f"expected (B, V, T - 1, N, 2) = (B, {', '.join(map(str, expected))}), got {tuple(velocities.shape)}"
            )
            raise SchemaError(Problem("wrong-shape", "velocities", message))
        if not len(velocities):
            raise SchemaError(Problem("no-windows", "velocities", "expected at least one window, got none"))
        # A look at a value waits for the accelerator: in training, whose windows are numbers, that is not worth it.
        if not self.training:
            _refuse_no_numbers(velocities)
        x = velocities * config.scale
        x = x.flatten(3).flatten(1, 2) if config.per_view else x.transpose(1, 2).flatten(2)
        x = functional.dropout(self.project(x) + self.encoder_position.weight, config.dropout, self.training)
        for block in self.encoder_blocks:
            x = block(x, self.seen)
        prequant = self.encoder_norm(x)
        # Codes of lower precision are other codes, and FSQ's own guard knows of one kind of device.
        with torch.autocast(prequant.device.type, enabled=False):
            quantized, indices = self.quantizer(prequant.float())
        return Encoded(indices, quantized, prequant)

    def bounded(self, prequant: Tensor) -> Tensor:
        """Return what the quantiser rounds: levels are whole numbers, `-(levels // 2)` the first.

        Parameters
        ----------
        prequant : float32 (B, L, D)

        Returns
        -------
        float32 (B, L, dimensions)
            By levels, as arXiv 2309.15505 bounds it (appendix A.1).
        """
        levels = self.quantizer._levels
        half = (levels - 1) * (1 + 1e-3) / 2
        offset = torch.where(levels % 2 == 0, 0.5, 0.0)
        with torch.autocast(prequant.device.type, enabled=False):
            inner = self.quantizer.project_in(prequant.float()) + torch.atanh(offset / half)
        bounded: Tensor = torch.tanh(inner) * half - offset
        return bounded

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


def _differences(config: TokenizerConfig, theirs: TokenizerConfig) -> Iterator[Problem]:
    """Say where a configuration is not that of a checkpoint; what is dropped in training changes no weights."""
    got, expected = config.as_json(), theirs.as_json()
    for key in got.keys() - {"dropout"}:
        if got[key] != expected[key]:
            message = f"expected {expected[key]!r} as the checkpoint says, got {got[key]!r}"
            yield Problem("wrong-config", f"config.{key}", message)


def _refuse_other_type(velocities: object, dtype: torch.dtype) -> None:
    # Under autocast other types are what it makes of them.
    if isinstance(velocities, torch.Tensor) and (
        velocities.dtype == dtype or torch.is_autocast_enabled(velocities.device.type)
    ):
        return
    got = f"one of {velocities.dtype}" if isinstance(velocities, torch.Tensor) else type(velocities).__name__
    fix = "torch.from_numpy makes a tensor of an array, .float() one of float32"
    raise SchemaError(Problem("wrong-type", "velocities", f"expected a tensor of {dtype}, got {got}", fix))


def _refuse_no_numbers(velocities: Tensor) -> None:
    # One sum tells in a fraction of what the first layer takes; which they are is looked for only then.
    if bool(velocities.sum().isfinite()):
        return
    strange = ~velocities.isfinite().flatten(1).all(dim=1)
    if bool(strange.any()):
        rows = strange.nonzero().ravel().tolist()
        message = f"expected numbers, got NaN or infinity in {len(rows)} of {len(strange)} windows, first in {rows[0]}"
        fix = "a step with an end that is not known has velocity 0; see MotionWindows.velocities"
        raise SchemaError(Problem("not-finite", "velocities", message, fix))


def _start(module: nn.Module) -> None:
    """Give a layer the initial weights that GPT-2 has."""
    if isinstance(module, (nn.Linear, nn.Embedding)):
        nn.init.normal_(module.weight, std=0.02)
