"""`lapsdata run`: from videos to scored segments and a report."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lapsdata import console
from lapsdata.verbs import Json, finish, output_folder
from lapsmodels.commands._threads import patient_threads

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lapsdata.errors import Problem
    from lapsdata.stages.recipe import Resolved
    from lapsdata.video.sources import VideoItem
    from lapsmodels.stages.run import Pipeline

__all__ = ["PLUGIN", "follow"]


def run(
    videos: Annotated[list[str], typer.Argument(help="Files, folders, globs, image folders or URLs.")],
    out: Annotated[Path, typer.Option("--out", parser=output_folder, help="Folder of all outputs.", metavar="FOLDER")],
    truth: Annotated[
        Path | None,
        typer.Option(help="True segments: Parquet, CSV with video,start_s,end_s,label, or a folder.", metavar="PATH"),
    ] = None,
    recipe: Annotated[
        Path | None, typer.Option(help="See `lapsdata recipe`; by default every default.", metavar="FILE")
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", help="As track.points=100 or energies.kind=token_diff_step.", metavar="STAGE.KEY=VALUE"),
    ] = None,
    tokenizer: Annotated[
        Path | None, typer.Option(help="Trained before; by default one is trained.", metavar="FOLDER")
    ] = None,
    recursive: Annotated[bool, typer.Option("--recursive", help="Also look into the folders of folders.")] = False,
    match: Annotated[str | None, typer.Option(metavar="PATTERN", help="Only names like 'S2_*'.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Only the first N videos.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Do again what is done.")] = False,
    workers: Annotated[int | None, typer.Option(min=1, help="Processes; by default one per core.")] = None,
    json: Json = False,
) -> None:
    """From videos to scored segments and a report.

    Stages: track, train, encode, energies, threshold, segment, evaluate, report. A second call does only what is
    missing or changed; one that was stopped or killed goes on where it was.
    """
    from lapsdata.schema.recipe import Recipe
    from lapsdata.stages.recipe import load_recipe, resolve, with_settings
    from lapsdata.video.sources import find_videos

    chosen = resolve(with_settings(Recipe() if recipe is None else load_recipe(recipe), settings or []))
    found = find_videos(videos, recursive=recursive, match=match, limit=limit, lost="list")
    follow(found, out, chosen, truth=truth, tokenizer=tokenizer, force=force, workers=workers, json=json)


def follow(
    videos: Sequence[VideoItem],
    out: Path,
    recipe: Resolved,
    *,
    truth: Path | None = None,
    tokenizer: Path | None = None,
    force: bool = False,
    workers: int | None = None,
    json: bool = False,
) -> None:
    """Do the main job, and tell what was done however it ends.

    Parameters
    ----------
    videos, out, recipe, truth, tokenizer, force, workers
        As `lapsmodels.stages.run.run_videos`.
    json : bool
        Print one JSON document instead of text.

    Raises
    ------
    typer.Exit
        With code 1 where something failed, 128 + its number for a signal.

    Examples
    --------
    >>> import pathlib
    >>> from lapsdata.schema.recipe import Recipe
    >>> from lapsdata.stages.recipe import resolve
    >>> follow([], pathlib.Path("out"), resolve(Recipe()))  # doctest: +SKIP
    """
    from lapsdata.errors import LapsError
    from lapsdata.execution.report import Interrupted
    from lapsmodels.stages.run import Pipeline, run_videos

    patient_threads()
    pipeline = Pipeline(out)
    stopped: int | None = None
    try:
        run_videos(
            videos, out, recipe, truth=truth, tokenizer=tokenizer, force=force, workers=workers, pipeline=pipeline
        )
    except LapsError as error:
        pipeline.problems += error.problems
    except KeyboardInterrupt as stop:
        stopped = int(stop.number) if isinstance(stop, Interrupted) else int(signal.SIGINT)
        pipeline.problems += _stopped(stop)
    if json:
        console.write_json(pipeline.as_json(), pipeline.problems)
    else:
        _show(pipeline)
    if stopped is not None:
        raise typer.Exit(128 + stopped)
    finish(pipeline.problems)


def _stopped(stop: KeyboardInterrupt) -> tuple[Problem, ...]:
    from lapsdata.errors import Problem
    from lapsdata.execution.report import Interrupted

    told = stop.report.problems if isinstance(stop, Interrupted) else ()
    again = Problem("interrupted", "run", "it was stopped", "run it again: what is done is kept", "warning")
    return (*(problem for problem in told if problem.code != "interrupted"), again)


def _show(pipeline: Pipeline) -> None:
    from lapsdata.metrics import segmentation_table

    if pipeline.done:
        console.write_table(("stage", "done", "what"), [(one.stage, one.fate, one.what) for one in pipeline.done])
    if pipeline.scores is not None:
        console.write()
        for line in segmentation_table(pipeline.scores).splitlines():
            console.write(line)
    if pipeline.report is not None:
        console.write()
        console.write(f"report: {pipeline.report}")
    console.report(pipeline.problems)


PLUGIN = run
