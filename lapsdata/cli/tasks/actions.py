"""`lapsdata evaluate --task actions`: predicted action chunks beside what was done, and beside chance."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lapsdata import console
from lapsdata.storage.atomic import refuse_existing
from lapsdata.verbs import Json

__all__ = ["PLUGIN"]


def actions(
    found: Annotated[
        Path,
        typer.Argument(
            help="Predicted chunks: .npz or .parquet with episode (n,), row (n,) and actions (n, horizon, D), or an "
            "array for each key.",
            metavar="PRED",
        ),
    ],
    dataset: Annotated[
        Path, typer.Argument(help="Robot episodes: LeRobot, GR00T or another kind that is known.", metavar="DATASET")
    ],
    more: Annotated[list[str] | None, typer.Argument(help="More of --keys.", metavar="KEY")] = None,
    keys: Annotated[
        list[str] | None,
        typer.Option(
            help="Parts of actions, such as left_arm right_arm, or columns. By default action.", metavar="KEY..."
        ),
    ] = None,
    train: Annotated[
        str | None,
        typer.Option(help="Episodes that means are known of, as in info.json. By default all others.", metavar="A:B"),
    ] = None,
    plot: Annotated[
        Path | None, typer.Option(help="Draw errors over the steps of the horizon.", metavar="FILE.png")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="Write the result as FILE.json too.", metavar="FILE")
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Score again what --out holds already; replace the picture.")
    ] = False,
    json: Json = False,
) -> None:
    """Score predicted actions open loop, beside the action before, the mean action and the mean trajectory.

    Mean absolute and mean squared errors are told by key, by number and by step of the horizon. Steps after the end of
    an episode have no truth: they are left out, and counted.
    """
    if more and len(keys or ()) != 1:
        raise typer.BadParameter("expected one --keys with all keys behind it", param_hint="--keys")
    from lapsdata.metrics.action_table import action_table
    from lapsdata.stages.actions import ActionOptions, action_errors, score_actions

    if plot is not None:
        # Before anything is scored.
        refuse_existing(plot, force, fix="pass --force to replace it, or name another file")
    chosen = (*(keys or ["action"]), *(more or ()))
    options = ActionOptions(parts=chosen, train=None if train is None else _span(train))
    result = (
        action_errors(found, dataset, options)
        if out is None
        else score_actions(found, dataset, out, options, force=force).content
    )
    if plot is not None:
        from lapsdata.report.action_curves import write_action_curves

        write_action_curves(plot, result, overwrite=force)
    if json:
        console.write_json(result.as_json())
        return
    for line in action_table(result).splitlines():
        console.write(line)


def _span(text: str) -> tuple[int, int]:
    first, colon, stop = text.partition(":")
    if not (colon and first.isdecimal() and stop.isdecimal() and int(first) < int(stop)):
        raise typer.BadParameter(f"expected FIRST:STOP, such as 0:80, got {text!r}", param_hint="--train")
    return int(first), int(stop)


PLUGIN = actions
