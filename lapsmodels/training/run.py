"""A training in its folder: states are left, the log is written, windows that it does not learn from judge it.

The folder, the log and a first state are there before the first step: what cannot be written is told then, and not
after an epoch. Of several processes the first one writes.
"""

from __future__ import annotations

import contextlib
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from lapsdata import console
from lapsdata.errors import LapsError, Problem
from lapsdata.execution.stop_requests import StopRequests
from lapsdata.storage.atomic import storage_errors
from lapsmodels.tokenizer.trained import collapse_problems
from lapsmodels.training.checkpoints import CHECKPOINTS, Checkpoints, Progress
from lapsmodels.training.journal import LOG, Journal
from lapsmodels.training.judging import judge
from lapsmodels.training.loop import begin, loader_of, steps_per_epoch, train
from lapsmodels.training.meter import EpochMeter
from lapsmodels.training.motion import motion
from lapsmodels.training.picture import write_reconstruction
from lapsmodels.training.reconstruction import reconstruction
from lapsmodels.training.source import MotionSource, stacked
from lapsmodels.training.state import restored, state_tensors

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    from lapsdata.loading import Loader
    from lapsmodels.tokenizer.checkpoint import TokenizerHeader
    from lapsmodels.tokenizer.config import TokenizerConfig
    from lapsmodels.tokenizer.model import MotionTokenizer
    from lapsmodels.tokenizer.trained import TrainedShare
    from lapsmodels.training.loop import StepFacts, Training
    from lapsmodels.training.options import TrainOptions, TrainReports
    from lapsmodels.training.ranks import Ranks

__all__ = ["PICTURES", "Planned", "TrainingRun", "clear"]

PICTURES = "pictures"

_SAMPLE = 64
"""Windows of a sample, which are spread over all: what stands for them where all would be too many."""
_SHOWN = 3
"""Windows of a picture: those of a sample that move most."""


@dataclass(frozen=True, slots=True, eq=False)
class Planned:
    """A training before it begins.

    Parameters
    ----------
    config : TokenizerConfig
    options : TrainOptions
    reports : TrainReports
    source : MotionSource
        What is learned from.
    judged_by : MotionSource or None
        What it is judged by.
    header : TokenizerHeader
        What states say of themselves.
    key : str
        What the weights depend on; see `Progress`.
    folder : Path
    """

    config: TokenizerConfig
    options: TrainOptions
    reports: TrainReports
    source: MotionSource
    judged_by: MotionSource | None
    header: TokenizerHeader
    key: str
    folder: Path

    @property
    def steps(self) -> int:
        """Steps in all."""
        options = self.options
        return (options.epochs or 0) * self.per_epoch if options.steps is None else options.steps

    @property
    def per_epoch(self) -> int:
        """Steps of an epoch."""
        return steps_per_epoch(len(self.source), self.options)


class TrainingRun:
    """A training that is under way.

    Parameters
    ----------
    planned : Planned
    ranks : Ranks
    announce : callable
        Makes the folder, if it is not there, and writes into it what the training is.

    Raises
    ------
    StorageError
        The folder may not be written to.
    CorruptDataError
        The state that it would go on from is damaged.
    """

    def __init__(self, planned: Planned, ranks: Ranks, announce: Callable[[], None]) -> None:
        self._planned, self._ranks = planned, ranks
        self._training: Training = begin(planned.config, planned.options, ranks)
        self._loader: Loader = loader_of(planned.source, planned.options, ranks)
        self._checkpoints = Checkpoints(planned.folder / CHECKPOINTS, planned.reports.keep)
        self._warned = False
        self.taken_from = planned.steps
        """Step after which the weights were taken."""
        self._rate, self._saved = 0.0, 0
        there = self._restore()
        ranks.wait()
        if there:
            return
        if ranks.first:
            clear(planned.folder)
            self._checkpoints = Checkpoints(planned.folder / CHECKPOINTS, planned.reports.keep)
            announce()
        ranks.wait()
        self._save()

    @property
    def share(self) -> TrainedShare:
        """How much of the model is trained."""
        return self._training.share

    @property
    def losses(self) -> list[float]:
        """Loss of each step."""
        return self._training.losses

    def _restore(self) -> bool:
        """Go on from the newest state of the same training, if there is one."""
        found = self._checkpoints.load()
        if found is None or found[0].key != self._planned.key:
            return False
        progress, tensors = found
        self._training = restored(self._training, progress.step, tensors)
        self._loader.load_state_dict(progress.loader)
        self._rate, self._saved = progress.rate, progress.step
        if self._ranks.first and progress.step:
            console.note(f"train: goes on from step {progress.step} of {progress.steps}, where it was stopped")
        return True

    def finish(self, tell: Callable[[int], None]) -> MotionTokenizer:
        """Train to the end; return the model that was judged best, or else the last one.

        Where it is asked to stop (Ctrl-C, SIGTERM), it leaves a state after the step that it is at: nothing is lost. Of
        several processes each may be at another step: then it goes on from the last state.

        Raises
        ------
        LapsError
            It did not come to its end.
        """
        planned, ranks, training = self._planned, self._ranks, self._training
        if ranks.first and planned.options.train_only:
            console.note(f"train: {training.share}")
        with self._journal() as journal:
            try:
                with StopRequests() if ranks.count == 1 else contextlib.nullcontext() as requests:
                    for facts in train(training, self._loader, planned.options, ranks, planned.steps):
                        self._rate = facts.rate
                        self._after(facts, journal)
                        tell(1)
                        if requests is not None and requests.asked is not None:
                            self._leave()
                            requests.check()
            except KeyboardInterrupt:
                if ranks.first:
                    console.note(f"train: run it again: it goes on from step {self._saved}")
                raise
        if training.step != planned.steps:
            message = f"expected {planned.steps} steps, got {training.step}"
            raise LapsError(Problem("unfinished", "train", message, "run it again: it goes on from its last state"))
        return self._chosen()

    def _journal(self) -> Journal:
        planned, first = self._planned, self._ranks.first
        about = {"config": planned.config.as_json(), "options": planned.options.as_json()}
        folder = planned.folder if first else None
        return Journal(folder, self._training.step, planned.reports.log if first else (), about)

    def _after(self, facts: StepFacts, journal: Journal) -> None:
        """Do what is due after a step."""
        planned, reports, step = self._planned, self._planned.reports, facts.step
        last = step == planned.steps
        epoch_ends = last or step % planned.per_epoch == 0
        if step % reports.log_every == 0 or last:
            journal.tell("step", step, self._told(facts))
        pictured = bool(reports.picture_every) and (last or step % reports.picture_every == 0)
        saved = last or step % reports.save_every == 0
        if epoch_ends or pictured or saved:
            # Of weights that are none, nothing can be told and no state is left: the one before is to go on from.
            self._training.require_numbers()
        score = None
        if epoch_ends:
            score = self._epoch(step, journal, due=last or self._is_due(step // planned.per_epoch))
        if pictured:
            self._picture(step, journal)
        # A state is left last: whoever goes on from it has nothing to make up for.
        if saved or score is not None:
            self._save(score)

    def _is_due(self, epoch: int) -> bool:
        return epoch % self._planned.options.judge_every == 0

    def _told(self, facts: StepFacts) -> dict[str, Any]:
        return {
            "epoch": facts.step / self._planned.per_epoch,
            "loss": facts.loss,
            "rate": facts.rate,
            "gradient_norm": facts.gradient_norm if np.isfinite(facts.gradient_norm) else None,
            "windows_per_s": self._planned.options.batch / facts.took_s,
            "wait_share": facts.waited_s / facts.took_s,
        }

    def _epoch(self, step: int, journal: Journal, *, due: bool) -> float | None:
        """Tell what an epoch has come to; return its score, less is better, where it was judged."""
        planned, ranks = self._planned, self._ranks
        used = self._training.meter.result(ranks)
        self._training.meter = EpochMeter(planned.config, ranks.device)
        told: dict[str, Any] = {"epoch": step / planned.per_epoch, "train": used.as_json()}
        score = None
        if planned.judged_by is not None and due:
            judged = judge(self._training.averaged(), planned.judged_by, planned.options, ranks)
            told["val"], score = judged.as_json(), judged.loss
        else:
            # Paths are not compared while a step is done, and every epoch is to say how near they come. Nothing is
            # chosen by it.
            sample = MotionSource(planned.source.windows.subset(ids=_spread(planned.source)))
            among = f"{len(sample)} of {len(planned.source)} windows that are learned from, spread over all"
            found = judge(self._training.averaged(), sample, planned.options, ranks)
            told["sample"] = {"of": among, **found.as_json()}
        journal.tell("epoch", step, told)
        collapsed = collapse_problems(used, f"epoch {-(-step // planned.per_epoch)}")
        if collapsed and not self._warned and ranks.first and step < planned.steps:
            console.report(collapsed)
        self._warned = self._warned or bool(collapsed)
        return score

    def _save(self, score: float | None = None, *, due: bool = True) -> None:
        if self._ranks.first:
            training, planned = self._training, self._planned
            progress = Progress(
                key=planned.key,
                step=training.step,
                steps=planned.steps,
                epoch=training.step / planned.per_epoch,
                rate=self._rate,
                # No ledger is kept: a run that went on from another is not told from one that did not.
                loader=self._loader.state_dict() | {"run": None},
                state=planned.header.weights,
            )
            tensors = state_tensors(training)
            self._checkpoints.save(training.averaged(), planned.header, tensors, progress, score, due=due)
            self._saved = training.step
        self._ranks.wait()

    def _leave(self) -> None:
        """Leave a state of the step that is done, if there is none yet."""
        if self._saved != self._training.step:
            self._training.require_numbers()
            self._save(due=False)

    def _picture(self, step: int, journal: Journal) -> None:
        if not self._ranks.first:
            return
        source = self._planned.judged_by or self._planned.source
        ids = _spread(source)
        batch = {name: torch.from_numpy(values).to(self._ranks.device) for name, values in source.gather(ids).items()}
        tracks, vis, size = stacked(batch, source.views)
        moved, _ = motion(tracks, vis, size, self._planned.config)
        speed = moved.velocities.square().sum(dim=-1).mean(dim=(1, 2, 3))
        shown = torch.argsort(speed, descending=True, stable=True)[:_SHOWN]
        found = reconstruction(self._training.averaged(), tracks[shown], vis[shown], size[shown])
        places = [source.windows.locate(int(ids[number])) for number in shown.tolist()]
        names = [f"{place.video}, window {place.window}" for place in places]
        folder = self._planned.folder / PICTURES
        with storage_errors(folder, "make the folder"):
            folder.mkdir(exist_ok=True)
        write_reconstruction(folder / f"step-{step:08d}.png", found, source.views, names)
        journal.picture(step, folder / f"step-{step:08d}.png")

    def _chosen(self) -> MotionTokenizer:
        """Return the model of the best state, where states were judged; else the last one."""
        from safetensors.torch import load_file

        left = self._checkpoints.left
        model = self._training.averaged()
        if left is not None and left.best is not None and left.best != left.last:
            model.load_state_dict(load_file(self._checkpoints.place(left.best) / "weights.safetensors"))
            self.taken_from = int(left.best.removeprefix("step-"))
        return model


def _spread(source: MotionSource) -> NDArray[np.int64]:
    """Return the numbers of the windows of a sample: always the same ones of the same windows."""
    return np.unique(np.linspace(0, len(source) - 1, _SAMPLE).round().astype(np.int64))


def clear(folder: Path) -> None:
    """Remove what a training has written to a folder, and nothing else."""
    for name in (CHECKPOINTS, PICTURES, "tensorboard"):
        if (folder / name).is_dir():
            with storage_errors(folder / name, "remove"):
                shutil.rmtree(folder / name)
    for name in (LOG, "training.json", "finished.json", "tokenizer.json", "weights.safetensors"):
        with storage_errors(folder / name, "remove"):
            (folder / name).unlink(missing_ok=True)
