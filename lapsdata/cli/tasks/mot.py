"""`lapsdata evaluate --task mot`: trackers beside a truth, and beside what knows less."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from lapsdata import console
from lapsdata.verbs import Json, by_option

__all__ = ["PLUGIN"]


class _Profile(StrEnum):
    PLAIN = "plain"
    MOT15 = "mot15"
    MOT16 = "mot16"
    MOT17 = "mot17"
    MOT20 = "mot20"
    SPORTSMOT = "sportsmot"
    DANCETRACK = "dancetrack"


class _Frames(StrEnum):
    ANNOTATED = "annotated"
    ALL = "all"


class _Pixels(StrEnum):
    ONE_BASED = "one_based"
    EDGE = "edge"
    CENTRE = "centre"


class _Rules(StrEnum):
    TRACKEVAL = "trackeval"
    PY_MOTMETRICS = "py-motmetrics"


def mot(
    truth: Annotated[
        Path, typer.Argument(help="True tracks, of any kind of boxes; or TrackEval's GT_FOLDER.", metavar="GT")
    ],
    found: Annotated[
        list[Path],
        typer.Argument(
            help="Trackers, each a file or folder of boxes, or a folder of several; the first is held against the "
            "others.",
            metavar="PRED...",
        ),
    ],
    profile: Annotated[
        _Profile | None,
        typer.Option(help="What is left out first. By default that of BENCHMARK in TrackEval's folders, else plain."),
    ] = None,
    labels: Annotated[
        list[str] | None,
        typer.Option(help="A class to score; may be repeated. `any`: labels are not looked at.", metavar="LABEL"),
    ] = None,
    threshold: Annotated[float, typer.Option(help="Least overlap of a match in CLEAR and Identity.")] = 0.5,
    frames: Annotated[
        _Frames, typer.Option(help="Frames that nobody annotated are left out and counted, or not.")
    ] = _Frames.ANNOTATED,
    rules: Annotated[_Rules, typer.Option(help="Whose CLEAR.")] = _Rules.TRACKEVAL,
    only_common: Annotated[
        bool, typer.Option("--only-common", help="Leave out sequences that one side lacks, and count them.")
    ] = False,
    pixels: Annotated[
        _Pixels | None,
        typer.Option(help="What texts of MOTChallenge count pixels from: 1, or 0 at the first one's edge or centre."),
    ] = None,
    first_number: Annotated[
        list[int] | None,
        typer.Option(
            min=0,
            help="What texts of MOTChallenge call the first frame; once for all, or for GT and each PRED in order.",
            metavar="N",
        ),
    ] = None,
    min_score: Annotated[
        float | None, typer.Option(help="Predicted boxes with a lower score are left out.", metavar="S")
    ] = None,
    sweep_threshold: Annotated[
        list[float] | None, typer.Option(help="Score at this overlap as well; may be repeated.", metavar="IOU")
    ] = None,
    sweep_score: Annotated[
        list[float] | None, typer.Option(help="Score from this score on as well; may be repeated.", metavar="S")
    ] = None,
    benchmark: Annotated[
        str | None,
        typer.Option(
            help="GT and PRED are TrackEval's GT_FOLDER and TRACKERS_FOLDER, of this BENCHMARK, by default MOT17."
        ),
    ] = None,
    split: Annotated[str | None, typer.Option(help="Its SPLIT_TO_EVAL, by default train.")] = None,
    skip_split_fol: Annotated[
        bool, typer.Option("--skip-split-fol", help="Its SKIP_SPLIT_FOL: both have no folder BENCHMARK-SPLIT.")
    ] = False,
    seqmap: Annotated[Path | None, typer.Option(help="Its SEQMAP_FILE.", metavar="FILE")] = None,
    trackeval: Annotated[
        Path | None,
        typer.Option(help="Write what TrackEval writes: TRACKER/CLASS_summary.txt, _detailed.csv.", metavar="DIR"),
    ] = None,
    csv: Annotated[
        Path | None, typer.Option(help="Write a line for each tracker, sequence and class.", metavar="FILE")
    ] = None,
    plot: Annotated[
        Path | None,
        typer.Option(help="Draw scores, losses, frames and tracks as pictures, and keep the result.", metavar="DIR"),
    ] = None,
    draws: Annotated[int, typer.Option(help="How often sequences are drawn anew.", min=1)] = 10_000,
    seed: Annotated[int, typer.Option(help="Of these draws.", min=0)] = 0,
    out: Annotated[
        Path | None, typer.Option("--out", help="Write the result as FILE.json too.", metavar="FILE")
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Score again what --out holds already; replace files and pictures.")
    ] = False,
    json: Json = False,
) -> None:
    """Score trackers by HOTA, CLEAR and Identity, as TrackEval does.

    Beside each tracker stand its own boxes half of the frames later, and beside all true boxes that stand still and
    true boxes without tracks: they show what a score is worth. Of several trackers the first is held against each
    other one, and how sure the difference is, is told by drawing the sequences anew. Names of trackers such as
    score_threshold_0.3_miss_tolerance_20 are read as settings.
    """
    from lapsdata.metrics.tracking_table import tracking_table
    from lapsdata.stages._tracking_exports import write_trackeval, write_tracking_csv
    from lapsdata.stages.tracking import TrackingOptions, score_tracking, tracking_result
    from lapsdata.stages.tracking_files import TrackEvalFolders

    folders = None
    if benchmark is not None or split is not None or skip_split_fol or seqmap is not None:
        folders = TrackEvalFolders(benchmark or "MOT17", split or "train", skip_split_fol, seqmap)
    with by_option("TrackingOptions", _option):
        options = TrackingOptions(
            profile=(profile or _of_benchmark(folders.benchmark if folders else None)).value,
            labels=None if not labels else "any" if labels == ["any"] else tuple(labels),
            threshold=threshold,
            frames=frames.value,
            rules=rules.value,
            only_common=only_common,
            pixels=None if pixels is None else pixels.value,
            first_number=tuple(first_number or ()),
            min_score=min_score,
            sweep_thresholds=tuple(sorted(set(sweep_threshold or ()))),
            sweep_scores=tuple(sorted(set(sweep_score or ()))),
            draws=draws,
            seed=seed,
        )
    if out is None:
        result, notes = tracking_result(truth, found, options, folders=folders, pictures=plot, force=force)
    else:
        output, notes = score_tracking(truth, found, out, options, folders=folders, pictures=plot, force=force)
        result = output.content
    if trackeval is not None:
        write_trackeval(trackeval, result, overwrite=force)
    if csv is not None:
        write_tracking_csv(csv, result, overwrite=force)
    if json:
        console.write_json(result.as_json(), notes)
        return
    for line in tracking_table(result).splitlines():
        console.write(line)
    console.report(notes)


def _of_benchmark(benchmark: str | None) -> _Profile:
    """Return the profile that a benchmark of MOTChallenge has."""
    named = (benchmark or "").lower()
    return next((one for one in _Profile if one.value == named), _Profile.PLAIN)


def _option(key: str) -> str:
    """Return the option that gave a key, or a part of one; what may be repeated is named by one of its values."""
    name = key.partition(".")[0]
    return f"--{(name.removesuffix('s') if name.startswith('sweep') else name).replace('_', '-')}"


PLUGIN = mot
