"""`lapsdata threshold`: where loud begins, told from the energies or given."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lapsdata import console
from lapsdata.verbs import Json, finish

__all__ = ["PLUGIN"]


def threshold(
    energies: Annotated[Path, typer.Argument(help="Energies, as `lapsdata energies` writes them.")],
    out: Annotated[Path, typer.Option("--out", help="The threshold, as FILE.json.", metavar="FILE")],
    method: Annotated[
        str, typer.Option(help="Otsu's, on logarithms or not, or a number.", metavar="otsu|otsu-linear|X")
    ] = "otsu",
    least_motion_px: Annotated[
        float | None, typer.Option(min=0, help="Pixels per frame below which all is noise; 0.1 by default.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Tell it again where it is told.")] = False,
    json: Json = False,
) -> None:
    """Tell where loud begins.

    One threshold for all videos of the file. Told with it are the range of the energies, how many are above, and
    whether it lies outside of them. Where nothing moves but noise there is none.
    """
    from lapsdata.stages.threshold import GivenOptions, find_threshold, threshold_options

    options = threshold_options(method)
    if least_motion_px is not None:
        if isinstance(options, GivenOptions):
            raise typer.BadParameter("not beside a number", param_hint="--least-motion-px")
        options = options.model_copy(update={"least_motion_px": least_motion_px})
    output, problems = find_threshold(energies, out, options, force=force)
    found = output.content
    facts = {
        "out": str(out),
        "threshold": f"{found.value:.4g} ({found.method})",
        "energies": f"{found.lowest:.4g} to {found.highest:.4g}, {found.above:.0%} are above",
        "rows": ", ".join(f"{count} {state.replace('_', ' ')}" for state, count in found.counts.items() if count),
        "done": output.fate,
    }
    if json:
        console.write_json(facts | {"value": found.value}, problems)
    else:
        console.write_facts(facts)
        console.report(problems)
    finish(problems)


PLUGIN = threshold
