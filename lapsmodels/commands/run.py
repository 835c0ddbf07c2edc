"""`lapsdata run`: from videos to scored segments and a report."""

from __future__ import annotations

import contextlib
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lapsdata import console
from lapsdata.verbs import Json, finish, output_folder
from lapsmodels.commands._threads import patient_threads

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from lapsdata.errors import Problem
    from lapsdata.stages._data_sets import DataSet
    from lapsdata.stages.recipe import Resolved
    from lapsdata.video.sources import VideoItem
    from lapsmodels.stages.run_split import SplitPipeline
    from lapsmodels.stages.run_steps import Pipeline

__all__ = ["PLUGIN", "follow"]

# Imported by every `--help`: the data sets themselves are not.
_NAMES = "Or a data set, gtea, 50salads or breakfast"


def run(
    videos: Annotated[
        list[str] | None, typer.Argument(help="Files, folders, globs, image folders or URLs; none with --root.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", parser=output_folder, help="Folder of all outputs; with --root by default NAME.", metavar="FOLDER"
        ),
    ] = None,
    truth: Annotated[
        Path | None,
        typer.Option(help="True segments, as `lapsdata evaluate` takes them.", metavar="PATH"),
    ] = None,
    recipe: Annotated[
        str | None,
        typer.Option(
            help=f"See `lapsdata recipe`; by default every default. {_NAMES}, with --root.", metavar="FILE|NAME"
        ),
    ] = None,
    root: Annotated[
        Path | None,
        typer.Option(help="Of a data set: the folder with groundTruth, splits and Videos.", metavar="FOLDER"),
    ] = None,
    split: Annotated[int | None, typer.Option(min=1, help="Of a data set: the number of the split.")] = None,
    skip_unreadable: Annotated[
        bool, typer.Option("--skip-unreadable", help="Of a data set: leave out videos that cannot be read, counted.")
    ] = False,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", help="As track.points=100 or energies.kind=token_diff_step.", metavar="STAGE.KEY=VALUE"),
    ] = None,
    tokenizer: Annotated[
        Path | None, typer.Option(help="Trained before; by default one is trained.", metavar="FOLDER")
    ] = None,
    camera: Annotated[
        str | None, typer.Option(help="VIDEOS is a data set of LeRobot or GR00T: its episodes by this.", metavar="KEY")
    ] = None,
    export_labels: Annotated[
        Path | None,
        typer.Option(
            parser=output_folder, help="With --camera: a copy of the data set with codes by row.", metavar="FOLDER"
        ),
    ] = None,
    hold: Annotated[bool, typer.Option("--hold", help="The last T - 1 rows get the last label; else none.")] = False,
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
    With the name of a data set as recipe, --root and --split, it does the whole experiment: tokenizer and threshold
    are learned from the train videos, and segments of both parts are scored.
    With --camera it does all episodes of a robot's data set, a window for each row. --export-labels copies the data set
    with a column latent_action.codes: row t has the codes of the motion in rows t to t + T - 1, the last rows none.
    """
    from lapsdata.schema.recipe import Recipe
    from lapsdata.stages._data_sets import DATA_SETS
    from lapsdata.stages.recipe import load_recipe, resolve, with_settings
    from lapsdata.video.sources import find_videos

    if recipe in DATA_SETS:
        given = {"VIDEOS": videos, "--truth": truth, "--tokenizer": tokenizer, "--match": match, "--limit": limit}
        given["--camera"] = camera
        _expect_none(given | {"--recursive": recursive or None}, f"with --recipe {recipe}: the split names its videos")
        if root is None or split is None:
            raise typer.BadParameter("expected the folder of the data set and a split", param_hint="--root, --split")
        data_set = DATA_SETS[recipe]
        chosen = resolve(with_settings(data_set.recipe, settings or []))
        _follow_split(
            data_set, root, split, out or Path(recipe), chosen,
            skip_unreadable=skip_unreadable, force=force, workers=workers, json=json,
        )  # fmt: skip
        return
    data_set_alone = {"--root": root, "--split": split, "--skip-unreadable": skip_unreadable or None}
    _expect_none(data_set_alone, f"only with --recipe {'|'.join(DATA_SETS)}")
    if camera is None:
        _expect_none({"--export-labels": export_labels, "--hold": hold or None}, "only with --camera")
    if hold and export_labels is None:
        raise typer.BadParameter("only with --export-labels", param_hint="--hold")
    if not videos or out is None:
        raise typer.BadParameter("expected videos and a folder of the outputs", param_hint="VIDEOS, --out")
    if camera is not None:
        _expect_none({"--recursive": recursive or None, "--match": match, "--limit": limit}, "not with --camera")
        if len(videos) != 1:
            raise typer.BadParameter("expected one data set with --camera", param_hint="VIDEOS")
        # A label for each row takes a window for each row.
        usual = load_recipe(recipe) if recipe else with_settings(Recipe(), ["track.stride=1"])
        chosen = resolve(with_settings(usual, settings or []))
        labels = None if export_labels is None else (export_labels, hold)
        _follow_episodes(
            Path(videos[0]), camera, out, chosen, labels,
            truth=truth, tokenizer=tokenizer, force=force, workers=workers, json=json,
        )  # fmt: skip
        return
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
    from lapsmodels.stages.run import run_videos
    from lapsmodels.stages.run_steps import Pipeline

    patient_threads()
    pipeline = Pipeline(out)
    with _told(pipeline) as ended:
        run_videos(
            videos, out, recipe, truth=truth, tokenizer=tokenizer, force=force, workers=workers, pipeline=pipeline
        )
    if json:
        console.write_json(pipeline.as_json(), pipeline.problems)
    else:
        _show(pipeline)
    ended()


@contextlib.contextmanager
def _told(pipeline: Pipeline) -> Iterator[Callable[[], None]]:
    """Put what ends a run into its problems; yields what leaves the verb with the exit code that is due."""
    from lapsdata.errors import LapsError
    from lapsdata.execution.engine import Terminated
    from lapsdata.execution.report import Interrupted

    stopped: int | None = None

    def ended() -> None:
        if stopped is not None:
            raise typer.Exit(128 + stopped)
        finish(pipeline.problems)

    try:
        yield ended
    except LapsError as error:
        pipeline.problems += error.problems
    except KeyboardInterrupt as stop:
        asked = signal.SIGTERM if isinstance(stop, Terminated) else signal.SIGINT
        stopped = int(stop.number if isinstance(stop, Interrupted) else asked)
        pipeline.problems += _stopped(stop)


def _expect_none(given: Mapping[str, object], why: str) -> None:
    wrong = ", ".join(name for name, value in given.items() if value is not None and value != [])
    if wrong:
        raise typer.BadParameter(why, param_hint=wrong)


def _follow_split(
    data_set: DataSet,
    root: Path,
    split: int,
    out: Path,
    recipe: Resolved,
    *,
    skip_unreadable: bool,
    force: bool,
    workers: int | None,
    json: bool,
) -> None:
    """Do the main job on a split, and tell what was done however it ends."""
    from lapsmodels.stages.run_split import SplitPipeline, run_split

    patient_threads()
    pipeline = SplitPipeline(out)
    with _told(pipeline.whole) as ended:
        run_split(
            data_set, root, split, out, recipe,
            skip_unreadable=skip_unreadable, force=force, workers=workers, pipeline=pipeline,
        )  # fmt: skip
    if json:
        console.write_json(pipeline.as_json(), pipeline.whole.problems)
    else:
        _show_split(pipeline)
    ended()


def _follow_episodes(
    root: Path,
    camera: str,
    out: Path,
    recipe: Resolved,
    labels: tuple[Path, bool] | None,
    *,
    truth: Path | None,
    tokenizer: Path | None,
    force: bool,
    workers: int | None,
    json: bool,
) -> None:
    """Do the main job on the episodes of a robot, and tell what was done however it ends."""
    from lapsmodels.stages.run_episodes import LabelExport, run_episodes
    from lapsmodels.stages.run_steps import Pipeline

    patient_threads()
    pipeline = Pipeline(out)
    with _told(pipeline) as ended:
        run_episodes(
            root, camera, out, recipe,
            export=None if labels is None else LabelExport(*labels),
            truth=truth, tokenizer=tokenizer, force=force, workers=workers, pipeline=pipeline,
        )  # fmt: skip
    if json:
        console.write_json(pipeline.as_json(), pipeline.problems)
    else:
        _show(pipeline)
    ended()


def _stopped(stop: KeyboardInterrupt) -> tuple[Problem, ...]:
    from lapsdata.errors import Problem
    from lapsdata.execution.report import Interrupted

    told = stop.report.problems if isinstance(stop, Interrupted) else ()
    again = Problem("interrupted", "run", "it was stopped", "run it again: what is done is kept", "warning")
    return (*(problem for problem in told if problem.code != "interrupted"), again)


def _show(pipeline: Pipeline) -> None:
    from lapsdata.metrics import segmentation_table

    _show_stages(pipeline)
    if pipeline.scores is not None:
        console.write()
        for line in segmentation_table(pipeline.scores).splitlines():
            console.write(line)
    if pipeline.report is not None:
        console.write()
        console.write(f"report: {pipeline.report}")
    console.report(pipeline.problems)


def _show_stages(pipeline: Pipeline) -> None:
    if pipeline.done:
        console.write_table(("stage", "done", "what"), [(one.stage, one.fate, one.what) for one in pipeline.done])


def _show_split(pipeline: SplitPipeline) -> None:
    from lapsdata.metrics import segmentation_table

    _show_stages(pipeline.whole)
    for part, scores in pipeline.scores.items():
        console.write()
        console.write(f"{part}:")
        for line in segmentation_table(scores).splitlines():
            console.write(line)
    for part, one in pipeline.parts.items():
        if one.report is not None:
            console.write()
            console.write(f"report of {part}: {one.report}")
    console.report(pipeline.whole.problems)


PLUGIN = run
