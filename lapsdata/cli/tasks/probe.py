"""`lapsdata evaluate --task probe`: how much of a robot's motion can be told linearly from features."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from lapsdata import console
from lapsdata.verbs import Json

__all__ = ["PLUGIN"]


class _Target(StrEnum):
    VALUE = "value"
    VELOCITY = "velocity"


class _Per(StrEnum):
    STEP = "step"
    WINDOW = "window"


class _Latents(StrEnum):
    QUANTIZED = "quantized"
    PREQUANT = "prequant"
    CODES = "codes"


def probe(
    features: Annotated[list[Path], typer.Argument(help="Tokens, tracks or energies, or folders of them.")],
    truth: Annotated[
        Path,
        typer.Option(
            "--truth",
            help="The motion: Parquet or CSV with video,time_s and a column for each quantity.",
            metavar="TABLE",
        ),
    ],
    columns: Annotated[
        list[str] | None,
        typer.Option(help="Quantities, as NAME, NAME[3] or NAME[22:29]; may be repeated. By default all."),
    ] = None,
    target: Annotated[
        _Target, typer.Option(help="Tell the mean of each quantity over a row, or its rate of change there.")
    ] = _Target.VELOCITY,
    groups: Annotated[
        list[str] | None,
        typer.Option(
            help="Videos that are held out together: NAME=VIDEO,VIDEO, or a CSV file with video,group; may be repeated."
            " By default each video alone."
        ),
    ] = None,
    per: Annotated[_Per, typer.Option(help="A row for each motion step, or for each window.")] = _Per.STEP,
    latents: Annotated[_Latents | None, typer.Option(help="Of tokens; by default quantized, if they have it.")] = None,
    view: Annotated[str | None, typer.Option(help="Of tracks with several views: this one.", metavar="NAME")] = None,
    strength: Annotated[
        list[float] | None, typer.Option(help="Of the ridge, per row; may be repeated. By default 0.0001 to 10000.")
    ] = None,
    folds: Annotated[int, typer.Option(help="Parts that the groups are dealt into, at most.", min=2)] = 10,
    draws: Annotated[int, typer.Option(help="How often the truth is shuffled.", min=1)] = 20,
    random_draws: Annotated[int, typer.Option(help="How often random features are drawn.", min=1)] = 3,
    max_gap: Annotated[
        float | None, typer.Option(help="Longest seconds between two samples of the truth that are bridged.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of everything that is drawn.", min=0)] = 0,
    out: Annotated[
        Path | None, typer.Option("--out", help="Write the result as FILE.json too.", metavar="FILE")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Probe again what --out holds already.")] = False,
    json: Json = False,
) -> None:
    """Tell a robot's motion from features by ridge regression, and hold it against what knows less.

    Groups of videos are held out as a whole. Features and motion are joined by time; what has no partner is counted.
    """
    from lapsdata.metrics.grouped_ridge import STRENGTHS
    from lapsdata.metrics.probe_table import probe_table
    from lapsdata.stages.probe import ProbeOptions, probe_features, probe_files, read_groups, score_probe

    options = ProbeOptions(
        target=target.value,
        columns=tuple(columns or ()),
        groups=read_groups(groups or ()),
        per=per.value,
        latents=None if latents is None else latents.value,
        view=view,
        strengths=tuple(sorted(strength)) if strength else STRENGTHS,
        folds=folds,
        draws=draws,
        random_draws=random_draws,
        max_gap_s=max_gap,
        seed=seed,
    )
    files = probe_files(features)
    if out is None:
        result = probe_features(files, truth, options)
    else:
        result = score_probe(files, truth, out, options, force=force).content
    if json:
        console.write_json(result.as_json())
        return
    for line in probe_table(result).splitlines():
        console.write(line)


PLUGIN = probe
