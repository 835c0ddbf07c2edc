"""The training loop: order, points and dropout are pure functions of seed and step, so that resuming changes no bit."""

from __future__ import annotations

import contextlib
import math
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from torch.nn.parallel import DistributedDataParallel

from lapsdata.errors import Problem, SchemaError
from lapsdata.loading import Loader
from lapsdata.loading.learning_rate import share_of_rate
from lapsmodels.tokenizer.model import MotionTokenizer
from lapsmodels.training.freezing import freeze
from lapsmodels.training.meter import EpochMeter
from lapsmodels.training.objective import Objective, lesson, require_number
from lapsmodels.training.source import stacked

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor

    from lapsdata.loading import Batch
    from lapsmodels.tokenizer.config import TokenizerConfig
    from lapsmodels.tokenizer.trained import TrainedShare
    from lapsmodels.training.options import TrainOptions
    from lapsmodels.training.ranks import Ranks
    from lapsmodels.training.source import MotionSource

__all__ = ["StepFacts", "Training", "begin", "loader_of", "steps_per_epoch", "train"]


@dataclass(slots=True)
class Training:
    """Where training stands; all that the next step depends on, beside options and windows."""

    model: MotionTokenizer
    optimizer: torch.optim.Optimizer
    meter: EpochMeter
    """What has been counted of the epoch under way."""
    average: dict[str, Tensor] | None
    """Moving averages of the weights, where they are kept."""
    share: TrainedShare
    """Which parameters are trained."""
    step: int = 0
    losses: list[float] = field(default_factory=list)
    """Loss of each step."""

    def averaged(self) -> MotionTokenizer:
        """Return the model to be used: with the averages for weights, where they are kept; in evaluation mode."""
        if self.average is None:
            return self.model.eval()
        made = MotionTokenizer(self.model.config).to(next(self.model.parameters()).device)
        made.load_state_dict(self.average)
        return made.eval()

    def require_numbers(self) -> None:
        """Refuse weights that are no numbers; the step that made them had a loss that was one.

        Raises
        ------
        LapsError
            Names the step.
        """
        weights = [weight.detach() for weight in self.model.parameters() if weight.requires_grad]
        largest = torch.stack([weight.abs().max() for weight in weights]).max()
        require_number(float(largest), "the size of the weights", f"step {self.step}")


class StepFacts(NamedTuple):
    """What a step was like."""

    step: int
    """Steps that are done."""
    loss: float
    rate: float
    """Learning rate."""
    gradient_norm: float
    """Before it was clipped."""
    waited_s: float
    """Time for which nothing was done but waiting for windows, seconds."""
    took_s: float
    """Time in all, seconds."""


def begin(config: TokenizerConfig, options: TrainOptions, ranks: Ranks) -> Training:
    """Return a model with the initial weights of the seed.

    Raises
    ------
    SchemaError
        A pattern of `train_only` that no parameter has.

    Examples
    --------
    >>> from lapsmodels.tokenizer.config import TokenizerConfig
    >>> from lapsmodels.training.options import TrainOptions
    >>> from lapsmodels.training.ranks import Ranks
    >>> config = TokenizerConfig(points=9, horizon=5, width=16, heads=2, head_width=8, levels=(5, 3))
    >>> begin(config, TrainOptions(), Ranks(0, 1, torch.device("cpu"))).step
    0
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(options.seed)
        model = MotionTokenizer(config)
    share = freeze(model, options.train_only)
    model.to(ranks.device)
    trained = [weight for weight in model.parameters() if weight.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=options.rate, betas=options.betas, weight_decay=options.weight_decay)
    kept = {name: value.clone() for name, value in model.state_dict().items()}
    average = None if options.average is None else kept
    return Training(model, optimizer, EpochMeter(config, ranks.device), average, share)


def loader_of(source: MotionSource, options: TrainOptions, ranks: Ranks) -> Loader:
    """Return what feeds a training: endless, in an order of its own each epoch.

    Raises
    ------
    SchemaError
        A number of processes, or of parts, that does not divide the batch.
    """
    share = options.batch // ranks.count
    if options.batch % ranks.count or share % options.accumulate:
        parts = f"{ranks.count} processes with {options.accumulate} parts each"
        message = f"expected a number of windows per step that {parts} divide, got {options.batch}"
        raise SchemaError(Problem("wrong-batch", "batch", message, "set batch or accumulate"))
    return Loader(
        source,
        global_batch_size=options.batch,
        shuffle=options.shuffle,
        seed=options.seed,
        epochs=None,
        rank=ranks.rank,
        world_size=ranks.count,
        device=str(ranks.device),
    )


def steps_per_epoch(windows: int, options: TrainOptions) -> int:
    """Return the steps in which each window is met once.

    Examples
    --------
    >>> from lapsmodels.training.options import TrainOptions
    >>> steps_per_epoch(33, TrainOptions(batch=32))
    2
    """
    return -(-windows // options.batch)


def train(training: Training, loader: Loader, options: TrainOptions, ranks: Ranks, steps: int) -> Iterator[StepFacts]:
    """Train step by step, up to a number of steps; yields after each.

    Parameters
    ----------
    training : Training
        Changed.
    loader : Loader
        See `loader_of`; at the place where the training stands.
    options : TrainOptions
    ranks : Ranks
    steps : int
        In all; the schedule is over as many.

    Raises
    ------
    LapsError
        The loss is no number.
    """
    model = training.model.train()
    objective: Any = Objective(model, options, ranks, options.accumulate)
    if ranks.count > 1:
        device_ids = [ranks.device.index] if ranks.device.type == "cuda" else None
        objective = DistributedDataParallel(objective, device_ids=device_ids)
    views = loader.source.views  # type: ignore[attr-defined]  # a MotionSource
    batches = iter(loader)
    while training.step < steps:
        began, waited = time.perf_counter(), loader.waited_s
        rate = options.rate * share_of_rate(training.step, steps, options.schedule, options.warm_share)
        for group in training.optimizer.param_groups:
            group["lr"] = rate
        model.train()
        loss, norm = _step(training, objective, next(batches), views, options, ranks)
        training.step += 1
        training.losses.append(loss)
        yield StepFacts(training.step, loss, rate, norm, loader.waited_s - waited, time.perf_counter() - began)


def _step(
    training: Training,
    objective: Any,  # noqa: ANN401 - an Objective, shared by processes or not
    batch: Batch,
    views: tuple[str, ...],
    options: TrainOptions,
    ranks: Ranks,
) -> tuple[float, float]:
    """Do a step; return loss and norm of the gradient."""
    model, config = training.model, training.model.config
    random = np.random.default_rng([options.seed, training.step])
    points = _points(config, options, random, ranks.device)
    tracks, vis, size = stacked(batch, views)
    whole = lesson(tracks, vis, size, batch["valid"], config, points)
    known = ranks.summed(whole.known)
    training.optimizer.zero_grad(set_to_none=True)
    costs, spread = torch.zeros(config.views, device=ranks.device), torch.zeros((), device=ranks.device)
    devices = [ranks.device] if ranks.device.type == "cuda" else []
    codes = []
    # Dropout draws from torch's own generator: its seed is the step's, and its caller finds it as it was.
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(int(random.integers(2**31)) + ranks.rank)
        parts = _parts(len(tracks), options.accumulate)
        for number, rows in enumerate(parts):
            last = number == len(parts) - 1
            with _alone(objective, shared=last or ranks.count == 1), _precision(options, ranks):
                taught = objective(whole.part(rows), points, known)
            taught.loss.backward()
            costs, spread = costs + taught.costs, spread + taught.spread
            codes.append((taught.made.indices, whole.valid[rows]))
            training.meter.add_classes(taught.made.logits, whole.classes[rows], whole.beyond[rows])
    costs = ranks.summed(costs)
    loss = float((costs / known.clamp(min=1)).mean() + spread)
    require_number(loss, "a loss", f"step {training.step + 1}")
    # Only now: what is made of numbers that are none has no code.
    for indices, valid in codes:
        training.meter.add_codes(indices, valid)
    trained = [weight for group in training.optimizer.param_groups for weight in group["params"]]
    norm = torch.nn.utils.clip_grad_norm_(trained, math.inf if options.clip is None else options.clip)
    training.optimizer.step()
    training.meter.add_loss(loss)
    if training.average is not None and options.average is not None:
        for name, value in model.state_dict().items():
            training.average[name].lerp_(value, 1 - options.average)
    return loss, float(norm)


def _alone(objective: Any, *, shared: bool) -> Any:  # noqa: ANN401 - see above
    """Return a context in which gradients stay in this process, until those of the last part are shared."""
    return contextlib.nullcontext() if shared else objective.no_sync()


def _parts(count: int, parts: int) -> list[slice]:
    each = count // parts
    return [slice(each * number, each * (number + 1)) for number in range(parts)]


def _precision(options: TrainOptions, ranks: Ranks) -> Any:  # noqa: ANN401 - a context of torch
    if options.precision == "float32":
        return contextlib.nullcontext()
    return torch.autocast(ranks.device.type, torch.bfloat16)


def _points(
    config: TokenizerConfig, options: TrainOptions, random: np.random.Generator, device: torch.device
) -> Tensor | None:
    if options.points is None or options.points >= config.points:
        return None
    chosen = np.sort(random.choice(config.points, options.points, replace=False))
    return torch.from_numpy(chosen).to(device)
