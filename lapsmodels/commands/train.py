"""`lapsdata train`: a motion tokenizer, from tracks."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lapsdata import console
from lapsdata.verbs import Json, finish, output_folder
from lapsmodels.commands._threads import patient_threads

if TYPE_CHECKING:
    from lapsmodels.tokenizer.checkpoint import TokenizerHeader

__all__ = ["PLUGIN", "tokenizer_facts"]


class _Preset(StrEnum):
    SMALL = "small"
    AMPLIFY = "amplify"


def train(
    files: Annotated[list[Path], typer.Argument(help="Tracks, one file per video; or a folder of them.")],
    out: Annotated[
        Path, typer.Option("--out", parser=output_folder, help="Folder of the tokenizer.", metavar="FOLDER")
    ],
    preset: Annotated[_Preset, typer.Option(help="Shapes of the model.")] = _Preset.SMALL,
    steps: Annotated[int | None, typer.Option(min=1, help="Steps of the optimiser; 400 by default.")] = None,
    batch: Annotated[int | None, typer.Option(min=1, help="Windows per step; 32 by default.")] = None,
    rate: Annotated[float | None, typer.Option(help="Highest learning rate; 0.001 by default.")] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Of weights, order and points; 0 by default.")] = None,
    corrected: Annotated[
        bool | None,
        typer.Option(
            "--corrected/--as-published", help="Mend what AMPLIFY's training gets wrong; by default as the preset."
        ),
    ] = None,
    threads: Annotated[int | None, typer.Option(min=1, help="Processor threads; by default all.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Train again what is done.")] = False,
    json: Json = False,
) -> None:
    """Train a motion tokenizer on tracks.

    A training that was stopped goes on from its last state, to the same weights. How the codes are used is told at the
    end: where nearly everything has one code, they say nothing.
    """
    from lapsdata.stages.energies import energy_files
    from lapsmodels.stages.train import codebook_problems, train_tokenizer
    from lapsmodels.stages.train_options import TrainStageOptions
    from lapsmodels.tokenizer.corrections import AS_PUBLISHED, Corrections

    patient_threads()
    given: dict[str, Any] = {"steps": steps, "batch": batch, "rate": rate, "seed": seed, "threads": threads}
    told = {name: value for name, value in given.items() if value is not None}
    if corrected is not None:
        told |= (Corrections() if corrected else AS_PUBLISHED).model_dump()
    options = TrainStageOptions(**told, preset=preset.value)
    output = train_tokenizer(energy_files(files), out, options, force=force)
    problems = codebook_problems(output.content)
    facts = {"out": str(out), **tokenizer_facts(output.content), "done": output.fate}
    if json:
        console.write_json(facts, problems)
    else:
        console.write_facts(facts)
        console.report(problems)
    finish(problems)


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
    unseen = f", {trained.unseen_share:.1%} of the positions unseen, {trained.outside:,} beyond the frame"
    return {
        **facts,
        "trained": f"{trained.steps} steps on {trained.windows:,} windows{unseen}",
        "loss": f"{trained.first_loss:.3f} to {trained.last_loss:.3f}",
        "classes": str(trained.classes),
        "codes": str(trained.codebook),
    }


PLUGIN = train
