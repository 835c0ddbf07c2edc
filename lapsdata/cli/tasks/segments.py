"""`lapsdata evaluate --task segments`: segments beside a truth, and beside chance."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from lapsdata import console
from lapsdata.verbs import Average, Json

__all__ = ["PLUGIN"]


class _Rules(StrEnum):
    DEFAULT = "default"
    LAPS_2025 = "laps-2025"
    MS_TCN = "ms-tcn"


class _Classes(StrEnum):
    AGNOSTIC = "agnostic"
    EACH = "each"


class _Scope(StrEnum):
    VIDEO = "video"
    ACTIVITY = "activity"
    ALL = "all"


class _Missing(StrEnum):
    RAISE = "raise"
    EMPTY = "empty"


class _Extra(StrEnum):
    RAISE = "raise"
    LEAVE_OUT = "leave_out"


def segments(
    found: Annotated[
        str,
        typer.Argument(
            help="Segments, as a file or folder of any kind that is known; or `uniform:SECONDS`, `random:COUNT`: cuts "
            "that look at no video.",
            metavar="PRED",
        ),
    ],
    truth: Annotated[
        Path,
        typer.Argument(
            help="The true segments: a folder in MS-TCN's layout, or any kind of segments.", metavar="TRUTH"
        ),
    ],
    split: Annotated[
        str | None,
        typer.Option(
            help="Score a part of the truth, such as test.split1; train.split1 is then what is known.", metavar="NAME"
        ),
    ] = None,
    rules: Annotated[_Rules, typer.Option(help="One word for all rules.")] = _Rules.DEFAULT,
    tolerance: Annotated[
        list[float] | None,
        typer.Option(help="Seconds; may be repeated. Those of the rules, by default.", min=0),
    ] = None,
    rate: Annotated[
        str | None,
        typer.Option(help="Frames per second, where labels are of frames and no known data set.", metavar="RATE"),
    ] = None,
    background: Annotated[
        list[str] | None,
        typer.Option(help="A label that is no action; may be repeated. By default `background`.", metavar="LABEL"),
    ] = None,
    missing: Annotated[
        _Missing, typer.Option(help="A video of the truth without segments: an error, or an empty answer.")
    ] = _Missing.RAISE,
    extra: Annotated[
        _Extra, typer.Option(help="A video without a truth: an error, or left out. Left out with --split.")
    ] = _Extra.RAISE,
    end_slack: Annotated[
        float | None,
        typer.Option(
            help="Seconds by which the videos of both may differ in length. By default 0, or 1 for segments made of "
            "energies.",
            min=0,
        ),
    ] = None,
    average: Annotated[Average, typer.Option(help="Over videos, or over all boundaries.")] = Average.MACRO,
    draws: Annotated[int, typer.Option(help="How often chance is drawn.", min=1)] = 100,
    shift_draws: Annotated[int, typer.Option(help="How often the boundaries are shifted.", min=1)] = 1000,
    seed: Annotated[int, typer.Option(help="Of chance.", min=0)] = 0,
    energies: Annotated[
        Path | None,
        typer.Option(help="What the segments were made of: adds the row of a constant energy.", metavar="FILE"),
    ] = None,
    train: Annotated[
        Path | None,
        typer.Option(help="True segments of other videos: adds the rows that a train split gives.", metavar="PATH"),
    ] = None,
    train_split: Annotated[
        str | None, typer.Option(help="The part of --train, or of the truth, that is known.", metavar="NAME")
    ] = None,
    classes: Annotated[
        _Classes | None,
        typer.Option(help="Average precision of all segments, or of each class and their mean. As the rules have it."),
    ] = None,
    clusters: Annotated[
        _Scope | None,
        typer.Option(
            help="Labels are names of clusters: match them with true ones within this; the activity is the dish of "
            "GTEA's names, else what follows the last _ of a name."
        ),
    ] = None,
    confidences: Annotated[
        Path | None,
        typer.Option(
            help="Confidences per frame, <video>.npy of classes by frames, for average precision.", metavar="FOLDER"
        ),
    ] = None,
    confidence_block: Annotated[
        int | None, typer.Option(help="Which block of classes, from 0, where they have several.", min=0, metavar="N")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="Write the result as FILE.json too.", metavar="FILE")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Score again what --out holds already.")] = False,
    json: Json = False,
) -> None:
    """Score segments, beside rows that have seen no video.

    Uniform, periodic, random and shifted boundaries are scored by the same rules; a sentence says where the segments
    are not above the best of them. Rules, counts and the digest of the truth stand in the result.
    """
    from lapsdata.metrics.whole_table import segmentation_table
    from lapsdata.stages._named_prediction import named_prediction
    from lapsdata.stages.evaluate import EvaluateOptions, ScoredFiles, score_segments, segment_scores
    from lapsdata.timebase import FrameRate

    options = EvaluateOptions(
        rules=rules.value,
        tolerances_s=tuple(sorted(set(tolerance))) if tolerance else None,
        split=split,
        train_split=train_split,
        rate=None if rate is None else FrameRate.parse(rate),
        background=None if background is None else tuple(background),
        classes=None if classes is None else classes.value,
        clusters=None if clusters is None else clusters.value,
        confidence_block=confidence_block,
        missing=missing.value,
        extra=extra.value,
        end_slack_s=end_slack,
        draws=draws,
        shift_draws=shift_draws,
        seed=seed,
    )
    named = None if Path(found).exists() else named_prediction(found, seed=seed)
    files = ScoredFiles(named or Path(found), truth, energies, train, confidences)
    if out is None:
        result, notes = segment_scores(files, options)
    else:
        output, notes = score_segments(files, out, options, force=force)
        result = output.content
    if json:
        console.write_json(result.as_json(), notes)
        return
    for line in segmentation_table(result, average=average.value).splitlines():
        console.write(line)
    console.report(notes)


PLUGIN = segments
