"""The main job on the episodes of a robot: each is a video, and the codes go back to its rows as a column."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from lapsdata import console, formats
from lapsdata.adapters.lerobot.adding import add_column, refuse_column
from lapsdata.adapters.lerobot.info import INFO, read_json
from lapsdata.adapters.lerobot.reading import read_set
from lapsdata.containers import Tokens
from lapsdata.errors import LapsError, Problem, SchemaError, spans_told
from lapsdata.loading.steps import open_steps
from lapsdata.stages._episode_videos import cut_episodes
from lapsdata.transforms.row_labels import label_rows
from lapsdata.video.sources import source_digest
from lapsmodels.stages.run import run_videos
from lapsmodels.stages.run_steps import Pipeline, StageDone

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from lapsdata.adapters.lerobot.reading import LeRobotSet
    from lapsdata.schema.tokens import TokensHeader
    from lapsdata.stages._episode_videos import EpisodeVideo
    from lapsdata.stages.recipe import Resolved
    from lapsdata.transforms.row_labels import RowLabels
    from lapsmodels.stages.track_options import TrackOptions

__all__ = ["COLUMN", "LabelExport", "run_episodes"]

COLUMN = "latent_action.codes"
"""Name of the column of labels."""


@dataclass(frozen=True, slots=True)
class LabelExport:
    """What is made of the codes.

    Parameters
    ----------
    target : Path
        The copy of the data set; a folder that is not there yet, or what the same labels were exported to before.
    hold : bool
        Whether the last T - 1 rows of an episode have the label of the row before them; by default they have none.
    """

    target: Path
    hold: bool = False


def run_episodes(
    root: Path,
    camera: str,
    out: Path,
    recipe: Resolved,
    *,
    export: LabelExport | None = None,
    truth: Path | None = None,
    tokenizer: Path | None = None,
    force: bool = False,
    workers: int | None = None,
    pipeline: Pipeline | None = None,
) -> Pipeline:
    """Do all stages for the episodes of a data set, seen by one camera, and export their codes as labels of rows.

    Label t is the codes of the window that begins with row t: the motion in rows t to t + T - 1. The last T - 1 rows of
    an episode have none, nor have rows of episodes that failed, or whose window a gate left out.

    Parameters
    ----------
    root : Path
        A data set of LeRobot or GR00T; only read.
    camera : str
    out : Path
        As of `run_videos`, and `videos/`: what is cut out of videos of several episodes.
    recipe, truth, tokenizer, force, workers, pipeline
        As `run_videos`.
    export : LabelExport, optional

    Raises
    ------
    LapsError
        As `run_videos`; no such camera; a copy that cannot be made, or a recipe that makes no labels: before anything
        is tracked.

    Examples
    --------
    >>> import pathlib
    >>> from lapsdata.schema.recipe import Recipe
    >>> from lapsdata.stages.recipe import resolve
    >>> run_episodes(pathlib.Path("nowhere"), "observation.images.top", pathlib.Path("out"), resolve(Recipe()))
    Traceback (most recent call last):
    lapsdata.errors.StorageError: nowhere: cannot open: no such file or folder; check the path [not-found]
    """
    told = pipeline or Pipeline(out)
    found = read_set(root)
    if export is not None:
        _expect_labels(recipe, tokenizer)
        if not _known(export.target):
            refuse_column(found, export.target, COLUMN)
    steps = open_steps(root)
    episodes = cut_episodes(steps, camera, out / "videos")
    steps.close()
    told.problems += [*found.notes, *episodes.problems]
    if not episodes.videos:
        raise SchemaError(*episodes.problems, Problem("no-videos", str(root), f"expected episodes seen by {camera}"))
    counts = episodes.counts
    what = f"{len(episodes.videos)} of {len(steps.episodes)} episodes, {counts['copied']} cut out by packets, "
    told.done.append(StageDone("episodes", "found", f"{what}{counts['encoded']} encoded again without loss"))
    videos = [one.item for one in episodes.videos]
    try:
        run_videos(videos, out, recipe, truth=truth, tokenizer=tokenizer, force=force, workers=workers, pipeline=told)
    except LapsError:
        # Labels ask for codes alone: they are made also where what follows cannot go on.
        if export is not None and any(one.stage == "encode" for one in told.done):
            _export(found, camera, episodes.videos, out / "tokens", export, told)
        raise
    if export is not None:
        _export(found, camera, episodes.videos, out / "tokens", export, told)
    return told


def _expect_labels(recipe: Resolved, tokenizer: Path | None) -> None:
    """Refuse recipes that cannot give each row a window."""
    if recipe.kind("train") == "none" and tokenizer is None:
        message = "expected codes to export, got a run without a tokenizer"
        raise SchemaError(Problem("no-tokens", "train.kind", message, "give --tokenizer, or set train.kind=small"))
    options = cast("TrackOptions", recipe.options("track"))
    if options.stride != 1 or options.rate is not None:
        got = f"track.stride={options.stride} and track.rate={options.rate}"
        message = f"expected a window for each row, of the frames of the rows, got {got}"
        raise SchemaError(Problem("not-each-row", "track", message, "set track.stride=1 and track.rate=null"))


def _known(target: Path) -> bool:
    """Say whether a folder has a column of labels: whether it is that of this run is known when there are labels."""
    return (target / INFO).is_file() and COLUMN in (read_json(target / INFO).get("features") or {})


def _export(
    found: LeRobotSet,
    camera: str,
    videos: Sequence[EpisodeVideo],
    folder: Path,
    export: LabelExport,
    told: Pipeline,
) -> None:
    places = {number: place for place, number in enumerate(found.episodes.number.tolist())}
    labels: dict[int, RowLabels] = {}
    headers: list[TokensHeader] = []
    with console.progress("label rows", len(videos), unit="episodes") as advance:
        for video in videos:
            tokens = _tokens(folder / f"{video.item.name}.zarr", video, told)
            if tokens is not None:
                labels[places[video.number]] = label_rows(tokens, video.row_s, hold=export.hold)
                headers.append(tokens.header)
            advance(1)
    entry = _entry(camera, labels, headers, folder, export)
    what = _told_rows(found, labels, export, told)
    if _known(export.target):
        if read_json(export.target / INFO)["features"][COLUMN] != entry:
            refuse_column(found, export.target, COLUMN)
        told.done.append(StageDone("labels", "kept", what))
        return
    add_column(found, export.target, COLUMN, entry, {at: (one.codes, one.null) for at, one in labels.items()})
    told.done.append(StageDone("labels", "made", what))


def _tokens(path: Path, video: EpisodeVideo, told: Pipeline) -> Tokens | None:
    """Return the tokens of a video where they are its own; what failed was told by its stage."""
    if not path.exists():
        return None
    try:
        tokens = formats.read(path, Tokens)
    except LapsError as error:
        told.problems += error.problems
        return None
    return tokens if tokens.header.video.digest == source_digest(video.item.path) else None


def _entry(
    camera: str, labels: dict[int, RowLabels], headers: Sequence[TokensHeader], folder: Path, export: LabelExport
) -> dict[str, Any]:
    """Return what `info.json` says of the column: what its numbers are, and where they come from."""
    kinds = {(one.horizon, one.length, one.tokenizer.codes, one.tokenizer.checkpoint) for one in headers}
    if len(kinds) != 1:
        message = f"expected tokens of one tokenizer, got those of {len(kinds)}"
        raise SchemaError(Problem("unlike-tokens", str(folder), message, "remove the folder, and run this again"))
    ((horizon, length, codes, checkpoint),) = kinds
    digest = hashlib.sha256()
    for place, one in sorted(labels.items()):
        digest.update(np.int64(place).tobytes() + one.codes.astype("<i8").tobytes() + one.null.tobytes())
    streams = headers[0].streams
    names = [f"step_{at}" for at in range(length // streams)]
    info = {
        "nullable": True,
        "codes": codes,
        "levels": list(headers[0].tokenizer.levels),
        "horizon": horizon,
        "hold": export.hold,
        "camera": camera,
        "tokenizer": checkpoint,
        "labels": f"sha256:{digest.hexdigest()}",
    }
    named = names if streams == 1 else [f"stream_{stream}.{name}" for stream in range(streams) for name in names]
    return {"dtype": "int64", "shape": [length], "names": named, "info": info}


def _told_rows(found: LeRobotSet, labels: dict[int, RowLabels], export: LabelExport, told: Pipeline) -> str:
    """Return how many rows have a label; tell of windows and episodes that gave none."""
    rows = int(found.episodes.rows.sum())
    named = sum(int((~one.null).sum()) for one in labels.values())
    held, beside = (sum(getattr(one, name) for one in labels.values()) for name in ("held", "beside"))
    where = str(export.target)
    if beside:
        message = f"{beside} windows are not of the frames of as many rows in turn: their codes label no row"
        told.problems.append(Problem("windows-beside-rows", where, message, None, "warning"))
    absent = [int(found.episodes.number[at]) for at in range(len(found.episodes)) if at not in labels]
    if absent:
        message = f"{len(absent)} episodes have no tokens, and their rows no label: {spans_told(absent)}"
        told.problems.append(Problem("episodes-without-labels", where, message, None, "warning"))
    ending = f", {held} of them held over the end" if export.hold else ""
    return f"{named} of {rows} rows have a label{ending}; {COLUMN} in {export.target}"
