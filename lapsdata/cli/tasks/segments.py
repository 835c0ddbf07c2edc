"""`lapsdata evaluate --task segments`: segments beside a truth, and beside chance."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from lapsdata import console
from lapsdata.verbs import Json

__all__ = ["PLUGIN"]


class _Missing(StrEnum):
    RAISE = "raise"
    EMPTY = "empty"


class _Extra(StrEnum):
    RAISE = "raise"
    LEAVE_OUT = "leave_out"


class _Average(StrEnum):
    MACRO = "macro"
    MICRO = "micro"


def segments(
    found: Annotated[Path, typer.Argument(help="Segments, as `lapsdata segment` writes them.")],
    truth: Annotated[
        Path,
        typer.Option(
            "--truth",
            help="The true segments: Parquet, CSV with video,start_s,end_s,label, or a folder of them.",
            metavar="PATH",
        ),
    ],
    tolerance: Annotated[
        list[float] | None, typer.Option(help="Seconds; may be repeated. By default 0.25, 0.5, 1, 2 and 5.", min=0)
    ] = None,
    missing: Annotated[
        _Missing, typer.Option(help="A video of the truth without segments: an error, or an empty answer.")
    ] = _Missing.RAISE,
    extra: Annotated[_Extra, typer.Option(help="A video without a truth: an error, or left out.")] = _Extra.RAISE,
    end_slack: Annotated[
        float, typer.Option(help="Seconds by which the videos of both may differ in length.", min=0)
    ] = 1.0,
    average: Annotated[_Average, typer.Option(help="Over videos, or over all boundaries.")] = _Average.MACRO,
    draws: Annotated[int, typer.Option(help="How often chance is tried.", min=1)] = 50,
    seed: Annotated[int, typer.Option(help="Of chance.", min=0)] = 0,
    energies: Annotated[
        Path | None,
        typer.Option(help="What the segments were made of: adds the row of a constant energy.", metavar="FILE"),
    ] = None,
    train: Annotated[
        Path | None,
        typer.Option(help="True segments of other videos: adds the rows that a train split gives.", metavar="PATH"),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="Write the result as FILE.json too.", metavar="FILE")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Score again what --out holds already.")] = False,
    json: Json = False,
) -> None:
    """Score boundaries, beside rows that have seen no video.

    Uniform, periodic, random and shifted boundaries are scored by the same rules; a sentence says where the segments
    are not above the best of them. Rules, counts and the digest of the truth stand in the result.
    """
    from lapsdata.metrics import TOLERANCES_S, boundary_table
    from lapsdata.stages.evaluate import EvaluateOptions, boundary_scores, score_segments

    options = EvaluateOptions(
        tolerances_s=tuple(tolerance) if tolerance else TOLERANCES_S,
        missing=missing.value,
        extra=extra.value,
        end_slack_s=end_slack,
        draws=draws,
        seed=seed,
    )
    if out is None:
        result = boundary_scores(found, truth, options, energies=energies, train=train)
    else:
        result = score_segments(found, truth, out, options, energies=energies, train=train, force=force).content
    if json:
        console.write_json(result.as_json())
        return
    for line in boundary_table(result, average=average.value).splitlines():
        console.write(line)


PLUGIN = segments
