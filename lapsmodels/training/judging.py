"""How good a model is on windows that it has not learned from."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from lapsdata.loading import Loader
from lapsmodels.tokenizer.losses import displacement_costs
from lapsmodels.training.meter import EpochMeter
from lapsmodels.training.objective import lesson, require_number
from lapsmodels.training.source import stacked

if TYPE_CHECKING:
    from lapsmodels.tokenizer.model import MotionTokenizer
    from lapsmodels.tokenizer.trained import EpochUse
    from lapsmodels.training.options import TrainOptions
    from lapsmodels.training.ranks import Ranks
    from lapsmodels.training.source import MotionSource

__all__ = ["judge"]


@torch.no_grad()
def judge(model: MotionTokenizer, source: MotionSource, options: TrainOptions, ranks: Ranks) -> EpochUse:
    """Return what a model comes to on all points of all windows; its loss is the cost of displacements alone.

    Parameters
    ----------
    model : MotionTokenizer
        In evaluation mode.
    source : MotionSource
    options : TrainOptions
    ranks : Ranks

    Raises
    ------
    LapsError
        The loss is no number.
    """
    config = model.config
    meter = EpochMeter(config, ranks.device)
    costs = torch.zeros(config.views, dtype=torch.float64, device=ranks.device)
    known = torch.zeros(config.views, dtype=torch.int64, device=ranks.device)
    codes = []
    batch_size = max(1, options.batch // options.accumulate // ranks.count)
    batch_size = min(batch_size, -(-len(source) // ranks.count))
    loader = Loader(source, batch_size=batch_size, rank=ranks.rank, world_size=ranks.count, device=str(ranks.device))
    for batch in loader:
        kept = batch["valid"]
        if not kept.any():  # the last batch of one process among several
            continue
        tracks, vis, size = (values[kept] for values in stacked(batch, source.views))
        told = lesson(tracks, vis, size, kept[kept], config)
        made = model(told.moved.velocities)
        logits = made.logits.float()
        costs += displacement_costs(logits, told.classes, options)
        known += told.known
        meter.add_counts(told.counts)
        codes.append((made.indices, told.valid))
        meter.add_classes(logits, told.classes, told.beyond)
        meter.add_paths(made.reconstruction.float(), told.moved)
    loss = float((ranks.summed(costs) / ranks.summed(known).clamp(min=1)).mean())
    require_number(loss, "a loss", "its judgement")
    for indices, valid in codes:
        meter.add_codes(indices, valid)
    meter.add_loss(loss)
    return meter.result(ranks)
