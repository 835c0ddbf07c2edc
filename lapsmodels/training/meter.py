"""Counting, batch by batch, what an epoch comes to: how codes and classes are used, how often the model is right."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from lapsmodels.tokenizer.class_use import ClassUse
from lapsmodels.tokenizer.codebook import codebook_use_of
from lapsmodels.tokenizer.losses import UNSEEN
from lapsmodels.tokenizer.trained import EpochUse
from lapsmodels.training.reconstruction import path_scores, reconstructed

if TYPE_CHECKING:
    from torch import Tensor

    from lapsmodels.tokenizer.config import TokenizerConfig
    from lapsmodels.training.motion import Motion, MotionCounts
    from lapsmodels.training.ranks import Ranks

__all__ = ["EpochMeter"]


class EpochMeter:
    """Counts, on the device, what an epoch comes to.

    Parameters
    ----------
    config : TokenizerConfig
    device : torch.device

    Examples
    --------
    >>> from lapsmodels.tokenizer.config import TokenizerConfig
    >>> meter = EpochMeter(TokenizerConfig(levels=(5, 3)), torch.device("cpu"))
    >>> sorted(meter.tensors)[:2]
    ['batches', 'beyond']
    """

    def __init__(self, config: TokenizerConfig, device: torch.device) -> None:
        self._config = config
        shapes = {
            "windows": (), "batches": (), "right": (), "beyond": (), "coordinates": (), "within_half": (),
            "positions": (), "unseen": (), "outside": (),
            "within": (10,), "classes": (config.classes,), "codes": (config.length, config.codes),
        }  # fmt: skip
        self.tensors: dict[str, Tensor] = {
            name: torch.zeros(shape, dtype=torch.int64, device=device) for name, shape in shapes.items()
        }
        self.tensors["loss"] = torch.zeros((), dtype=torch.float64, device=device)

    @torch.no_grad()
    def add_codes(self, indices: Tensor, valid: Tensor) -> None:
        """Count the codes of windows.

        Parameters
        ----------
        indices : int32 (B, L)
        valid : bool (B,)
            Whether a window counts: the last batch may hold repeats.
        """
        kept = indices[valid].long()
        flat = kept + torch.arange(kept.shape[1], device=kept.device) * self._config.codes
        counts = torch.bincount(flat.flatten(), minlength=self._config.length * self._config.codes)
        self.tensors["codes"] += counts.view(self._config.length, self._config.codes)
        self.tensors["windows"] += valid.sum()

    @torch.no_grad()
    def add_classes(self, logits: Tensor, classes: Tensor, beyond: Tensor) -> None:
        """Count how often the likeliest class is the true one.

        Parameters
        ----------
        logits : (B, V, T - 1, M, classes)
        classes : int64 (B, V, T - 1, M)
        beyond : bool (B, V, T - 1, M)
            Whether a displacement is farther than the farthest class.
        """
        known = classes != UNSEEN
        self.tensors["right"] += ((logits.argmax(dim=-1) == classes) & known).sum()
        self.tensors["beyond"] += (beyond & known).sum()
        self.tensors["classes"] += torch.bincount(classes[known], minlength=self._config.classes)

    @torch.no_grad()
    def add_counts(self, counts: MotionCounts) -> None:
        """Count what windows hold."""
        for name in ("positions", "unseen", "outside"):
            self.tensors[name] += getattr(counts, name)

    @torch.no_grad()
    def add_paths(self, velocities: Tensor, moved: Motion) -> None:
        """Compare paths; see `path_scores`."""
        made = reconstructed(moved.positions, velocities)
        scores = path_scores(made, moved.positions, moved.known, self._config.class_size)
        for name, value in zip(("coordinates", "within_half", "within"), scores, strict=True):
            self.tensors[name] += value

    @torch.no_grad()
    def add_loss(self, loss: float) -> None:
        """Count the loss of a step, which is the same in all processes."""
        self.tensors["loss"] += loss
        self.tensors["batches"] += 1

    def result(self, ranks: Ranks) -> EpochUse:
        """Return what has been counted so far, in all processes together."""
        alone = {name: self.tensors[name] for name in ("loss", "batches")}
        total = {name: values if name in alone else ranks.summed(values) for name, values in self.tensors.items()}
        classes = total["classes"]
        displacements, coordinates, positions = (
            int(total[name].sum()) for name in ("classes", "coordinates", "positions")
        )
        of_all = 1 / max(1, displacements)
        return EpochUse(
            windows=int(total["windows"]),
            loss=float(total["loss"]) / max(1, int(total["batches"])),
            accuracy=int(total["right"]) * of_all,
            majority_share=int(classes.max()) * of_all,
            delta_auc=float(total["within"].double().mean()) / coordinates if coordinates else None,
            normalized_accuracy=int(total["within_half"]) / coordinates if coordinates else None,
            unseen_share=int(total["unseen"]) / positions if positions else None,
            outside=int(total["outside"]) if positions else None,
            classes=ClassUse(
                displacements=displacements,
                centre_share=int(classes[len(classes) // 2]) * of_all,
                beyond_share=int(total["beyond"]) * of_all,
            ),
            codebook=codebook_use_of(total["codes"].cpu().numpy()),
        )
