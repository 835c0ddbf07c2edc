"""`lapsdata train`: a motion tokenizer, from tracks."""

from __future__ import annotations

import os
import signal
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lapsdata import console
from lapsdata.verbs import Json, by_option, finish, output_folder
from lapsmodels.commands._threads import patient_threads

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lapsmodels.tokenizer.checkpoint import TokenizerHeader

__all__ = ["PLUGIN", "tokenizer_facts"]

_QUICK = {"steps": 4, "batch": 4, "points": 16, "save_every": 2, "picture_every": 4, "log_every": 1}


class _Preset(StrEnum):
    SMALL = "small"
    AMPLIFY = "amplify"


class _Schedule(StrEnum):
    COSINE = "cosine"
    CONSTANT = "constant"


class _Precision(StrEnum):
    FLOAT32 = "float32"
    BFLOAT16 = "bfloat16"


class _Device(StrEnum):
    AUTO = "auto"
    CPU = "cpu"
    CUDA = "cuda"


class _Logger(StrEnum):
    TENSORBOARD = "tensorboard"
    WANDB = "wandb"


def train(
    files: Annotated[list[Path], typer.Argument(help="Tracks: files, folders of them, shards, a catalog.")],
    out: Annotated[
        Path, typer.Option("--out", parser=output_folder, help="Folder of the tokenizer.", metavar="FOLDER")
    ],
    preset: Annotated[_Preset, typer.Option(help="Shapes of the model.")] = _Preset.SMALL,
    steps: Annotated[int | None, typer.Option(min=1, help="Steps of the optimiser; 400 by default.")] = None,
    epochs: Annotated[int | None, typer.Option(min=1, help="In place of steps: how often each window is met.")] = None,
    val: Annotated[
        list[str] | None,
        typer.Option(help="Share of the videos to judge by, `none`, or tracks of others; 0.1 by default."),
    ] = None,
    batch: Annotated[int | None, typer.Option(min=1, help="Windows per step; 32 by default.")] = None,
    accumulate: Annotated[int | None, typer.Option(min=1, help="Parts of a step, one after the other.")] = None,
    rate: Annotated[float | None, typer.Option(help="Highest learning rate; 0.001 by default.")] = None,
    schedule: Annotated[_Schedule | None, typer.Option(help="How the rate goes on after its rise.")] = None,
    precision: Annotated[_Precision | None, typer.Option(help="Of the products of matrices.")] = None,
    average: Annotated[float | None, typer.Option(help="Keep moving averages of the weights: 0.999, say.")] = None,
    train_only: Annotated[
        list[str] | None, typer.Option(help="Train these parameters alone: `decoder_blocks.*`, say.")
    ] = None,
    corrected: Annotated[
        bool | None,
        typer.Option(
            "--corrected/--as-published", help="Mend what AMPLIFY's training gets wrong; by default as the preset."
        ),
    ] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Of weights, order and points; 0 by default.")] = None,
    device: Annotated[_Device | None, typer.Option(help="By default a GPU if there is one.")] = None,
    threads: Annotated[int | None, typer.Option(min=1, help="Processor threads; by default all.")] = None,
    save_every: Annotated[int | None, typer.Option(min=1, help="Steps between two states; 100 by default.")] = None,
    keep: Annotated[int | None, typer.Option(min=1, help="States that stay; 2 by default, and the best.")] = None,
    picture_every: Annotated[
        int | None, typer.Option(min=0, help="Steps between two pictures; 200 by default, 0 for none.")
    ] = None,
    log: Annotated[list[_Logger] | None, typer.Option(help="A logger beside log.jsonl.")] = None,
    quick: Annotated[bool, typer.Option("--quick", help="A few small steps, to see whether all of it works.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Train again what is done.")] = False,
    json: Json = False,
) -> None:
    """Train a motion tokenizer on tracks.

    A training that was stopped goes on from its last state, to the same weights. Some of the videos are not learned
    from, and judge it: --val says how many, or which. How the codes are used is told after each epoch in log.jsonl, and
    at the end: where nearly everything has one code, they say nothing. Several processes: torchrun -m lapsdata train.
    """
    from lapsdata.execution.engine import Terminated
    from lapsmodels.stages.train import codebook_problems, train_tokenizer
    from lapsmodels.stages.train_options import TrainStageOptions
    from lapsmodels.tokenizer.corrections import AS_PUBLISHED, Corrections

    patient_threads()
    if steps is not None and epochs is not None:
        raise typer.BadParameter("expected one of them, got both", param_hint="--steps, --epochs")
    given: dict[str, Any] = {
        "steps": steps, "epochs": epochs, "batch": batch, "accumulate": accumulate, "rate": rate, "schedule": schedule,
        "precision": precision, "average": average, "seed": seed, "device": device, "threads": threads,
        "save_every": save_every, "keep": keep, "picture_every": picture_every,
    }  # fmt: skip
    told: dict[str, Any] = {name: str(value) if isinstance(value, StrEnum) else value for name, value in given.items()}
    # Epochs stand in place of steps, those of --quick too.
    usual = {name: value for name, value in _QUICK.items() if quick and (name != "steps" or epochs is None)}
    told = usual | {name: value for name, value in told.items() if value is not None}
    if corrected is not None:
        told |= (Corrections() if corrected else AS_PUBLISHED).model_dump()
    share, judged_by = _judges(val)
    told |= {"preset": preset.value, "val": share, "train_only": tuple(train_only or ())}
    with by_option("TrainStageOptions", lambda key: f"--{key.replace('_', '-')}"):
        options = TrainStageOptions(**told, log=tuple(one.value for one in log or ()))
    if quick:
        planned = _counted(options.steps, "step") if epochs is None else _counted(epochs, "epoch")
        console.note(f"train: quick: {planned}, to see whether all of it works: the weights are of no use")
    try:
        output = train_tokenizer(_tracks(files), out, options, judged_by=judged_by, force=force)
    except Terminated as stop:
        raise typer.Exit(128 + signal.SIGTERM) from stop
    if os.environ.get("RANK", "0") != "0":  # the first of several processes tells
        return
    problems = codebook_problems(output.content)
    facts = {"out": str(out), **tokenizer_facts(output.content), "done": output.fate}
    if json:
        console.write_json(facts, problems)
    else:
        console.write_facts(facts)
        console.report(problems)
    finish(problems)


def _counted(count: int | None, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"


def _judges(val: Sequence[str] | None) -> tuple[float | None, list[Path]]:
    """Return the share of the videos that judge, and the tracks that do."""
    if not val:
        return 0.1, []
    if list(val) == ["none"]:
        return None, []
    try:
        (share,) = map(float, val)
    except ValueError:
        return None, _tracks([Path(name) for name in val])
    if not 0 < share < 1:
        raise typer.BadParameter(f"expected a share above 0 and below 1, `none`, or tracks, got {share:g}")
    return share, []


def _tracks(given: Sequence[Path]) -> list[Path]:
    """Return files of tracks, those of a folder one by one; shards and catalogs as they are."""
    from lapsdata.loading.finding import is_item
    from lapsdata.stages.energies import energy_files

    return [file for path in given for file in ([path] if path.is_dir() and is_item(path) else energy_files([path]))]


def tokenizer_facts(header: TokenizerHeader) -> dict[str, str]:
    """Return what a tokenizer is and how it was trained, in words.

    Examples
    --------
    >>> from lapsdata.testing.samples import sample_provenance
    >>> from lapsmodels.tokenizer.checkpoint import TokenizerHeader, weights_digest
    >>> from lapsmodels.tokenizer.config import TokenizerConfig
    >>> header = TokenizerHeader(
    ...     provenance=sample_provenance(), config=TokenizerConfig(), views=("default",), weights=weights_digest(b"")
    ... )
    >>> tokenizer_facts(header)
    {'model': '1920 codes, windows of 16 frames and 400 points'}
    """
    config, trained = header.config, header.trained
    facts = {"model": f"{config.codes} codes, windows of {config.horizon} frames and {config.points} points"}
    if trained is None:
        return facts
    use, val = trained.train, trained.val
    told = {
        **facts,
        "trained": f"{trained.steps} steps ({trained.epochs:.3g} epochs) on {trained.windows:,} windows",
        "parameters": str(trained.share),
        "positions": f"{use.unseen_share or 0:.1%} unseen, {use.outside or 0:,} beyond the frame",
        "classes": str(use.classes),
        "loss": f"{trained.first_loss:.3f} to {trained.last_loss:.3f}",
        "right classes": f"{use.accuracy:.1%}, where {use.majority_share:.1%} are the most common one",
        "codes": str(use.codebook),
        "judged": "by none (--val none)",
    }
    if val is not None:
        told["judged"] = (
            f"{val.windows:,} windows of other videos: {val.accuracy:.1%} right, {val.codebook}, after step "
            f"{trained.taken_from}"
        )
    return told


PLUGIN = train
