"""The training loop: order and points are pure functions of seed and step, so that resuming changes no bit."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from lapsmodels.tokenizer.class_use import class_use
from lapsmodels.tokenizer.codebook import codebook_use
from lapsmodels.tokenizer.losses import (
    UNSEEN,
    code_information,
    displacement_classes,
    displacement_loss,
    whole_displacements,
)
from lapsmodels.tokenizer.model import MotionTokenizer

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from lapsmodels.tokenizer.class_use import ClassUse
    from lapsmodels.tokenizer.codebook import CodebookUse
    from lapsmodels.tokenizer.config import TokenizerConfig
    from lapsmodels.training.options import TrainOptions
    from lapsmodels.training.windows import MotionWindows

    Save = Callable[["Training"], None]
    Tell = Callable[[int], None]

__all__ = ["Training", "begin", "classes_of", "train", "use_of"]

_WARM_SHARE, _LAST_RATE = 0.05, 0.01


@dataclass(slots=True)
class Training:
    """Where training stands; all that the next step depends on, beside options and windows."""

    model: MotionTokenizer
    optimizer: torch.optim.Optimizer
    step: int = 0
    losses: list[float] = field(default_factory=list)
    """Loss of each step."""


def begin(config: TokenizerConfig, options: TrainOptions) -> Training:
    """Return a model with the initial weights of the seed.

    Examples
    --------
    >>> from lapsmodels.tokenizer.config import TokenizerConfig
    >>> from lapsmodels.training.options import TrainOptions
    >>> config = TokenizerConfig(points=9, horizon=5, width=16, heads=2, head_width=8, levels=(5, 3))
    >>> begin(config, TrainOptions()).step
    0
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(options.seed)
        model = MotionTokenizer(config)
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=options.rate, betas=options.betas, weight_decay=options.weight_decay
    )
    return Training(model, optimizer)


def train(
    training: Training,
    windows: MotionWindows,
    options: TrainOptions,
    *,
    save: Save | None = None,
    tell: Tell | None = None,
) -> Training:
    """Train up to the number of steps.

    Parameters
    ----------
    training : Training
        Changed, and returned.
    windows : MotionWindows
    options : TrainOptions
    save : callable, optional
        Called with the state every `save_every` steps.
    tell : callable, optional
        Called with 1 after each step.

    Examples
    --------
    >>> from lapsdata.testing.samples import sample_tracks
    >>> from lapsmodels.tokenizer.config import TokenizerConfig
    >>> from lapsmodels.training.options import TrainOptions
    >>> from lapsmodels.training.windows import motion_windows
    >>> windows = motion_windows([sample_tracks(windows=8)], ["default"])
    >>> config = TokenizerConfig(points=5, horizon=4, width=16, heads=2, head_width=8, levels=(5, 3))
    >>> options = TrainOptions(steps=3, batch=4)
    >>> train(begin(config, options), windows, options).step
    3
    """
    model, config = training.model, training.model.config
    model.train()
    while training.step < options.steps:
        random = np.random.default_rng([options.seed, training.step])
        rows, points = _rows(len(windows), training.step, options), _points(config, options, random)
        # Dropout draws from torch's own generator: its seed is the step's, and its caller finds it as it was.
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(int(random.integers(2**31)))
            loss = _loss(model, windows, rows, points, options)
        for group in training.optimizer.param_groups:
            group["lr"] = options.rate * _share_of_rate(training.step, options.steps)
        training.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        if options.clip is not None:
            torch.nn.utils.clip_grad_norm_(model.parameters(), options.clip)
        training.optimizer.step()
        training.step += 1
        training.losses.append(float(loss.detach()))
        if tell is not None:
            tell(1)
        if save is not None and training.step % options.save_every == 0:
            save(training)
    model.eval()
    return training


def _rows(count: int, step: int, options: TrainOptions) -> NDArray[np.int64]:
    """Return the windows of a step: each once per epoch, in an order of its own; the last ones begin the next."""
    rows: list[int] = []
    position = step * options.batch
    while len(rows) < options.batch:
        epoch, place = divmod(position + len(rows), count)
        order = _order(options.seed, epoch, count)
        rows.extend(order[place : place + options.batch - len(rows)].tolist())
    return np.array(rows)


@functools.lru_cache(maxsize=2)
def _order(seed: int, epoch: int, count: int) -> NDArray[np.int64]:
    return np.random.default_rng([seed, 1, epoch]).permutation(count)


def _points(config: TokenizerConfig, options: TrainOptions, random: np.random.Generator) -> NDArray[np.int64] | None:
    if options.points is None or options.points >= config.points:
        return None
    return np.sort(random.choice(config.points, options.points, replace=False))


def _loss(
    model: MotionTokenizer,
    windows: MotionWindows,
    rows: NDArray[np.int64],
    points: NDArray[np.int64] | None,
    options: TrainOptions,
) -> torch.Tensor:
    config, steps = model.config, windows.steps(rows, model.config)
    chosen = slice(None) if points is None else points
    positions = torch.from_numpy(steps.positions[..., chosen, :])
    classes = displacement_classes(positions, config.class_size, config.reach, config.rounding)
    classes = classes.masked_fill(~torch.from_numpy(steps.known[..., chosen]), UNSEEN)
    made = model(torch.from_numpy(steps.velocities), None if points is None else torch.from_numpy(points))
    loss = displacement_loss(made.logits, classes, options=options)
    if options.diversity:
        loss = loss + options.diversity * (1 - code_information(model.bounded(made.prequant), config.levels))
    return loss


def _share_of_rate(step: int, steps: int) -> float:
    warm = max(1, round(_WARM_SHARE * steps))
    if step < warm:
        return (step + 1) / warm
    done = (step - warm) / max(1, steps - warm)
    return _LAST_RATE + (1 - _LAST_RATE) * 0.5 * (1 + math.cos(math.pi * done))


@torch.no_grad()
def use_of(model: MotionTokenizer, windows: MotionWindows, batch: int = 256) -> CodebookUse:
    """Return how the codebook is used over all windows.

    Examples
    --------
    >>> from lapsdata.testing.samples import sample_tracks
    >>> from lapsmodels.tokenizer.config import TokenizerConfig
    >>> from lapsmodels.training.windows import motion_windows
    >>> config = TokenizerConfig(points=5, horizon=4, width=16, heads=2, head_width=8, levels=(5, 3))
    >>> use_of(MotionTokenizer(config).eval(), motion_windows([sample_tracks(windows=8)], ["default"])).seen
    24
    """
    codes: list[Any] = []
    for first in range(0, len(windows), batch):
        velocities = windows.steps(slice(first, first + batch), model.config).velocities
        codes.append(model.encode(torch.from_numpy(velocities)).indices.numpy())
    return codebook_use(np.concatenate(codes), model.config.codes)


def classes_of(windows: MotionWindows, config: TokenizerConfig, batch: int = 256) -> ClassUse:
    """Return how the classes of a configuration fit the motion of all windows.

    Examples
    --------
    >>> from lapsdata.testing.samples import sample_tracks
    >>> from lapsmodels.tokenizer.config import TokenizerConfig
    >>> from lapsmodels.training.windows import motion_windows
    >>> classes_of(motion_windows([sample_tracks(windows=8)], ["default"]), TokenizerConfig()).displacements
    120
    """
    each = (windows.steps(slice(first, first + batch), config) for first in range(0, len(windows), batch))
    return class_use(
        (
            whole_displacements(torch.from_numpy(steps.positions), config.class_size, config.rounding).numpy()[
                steps.known
            ]
            for steps in each
        ),
        config.reach,
    )
