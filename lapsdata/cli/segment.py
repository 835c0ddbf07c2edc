"""`lapsdata segment`: energies in, segments out."""

from __future__ import annotations

import json as json_text
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lapsdata import console
from lapsdata.verbs import Json, finish

if TYPE_CHECKING:
    from lapsdata.containers import Energies
    from lapsdata.segmenters import Threshold

__all__ = ["PLUGIN"]

_BY_ENERGY = "state_machine"


def segment(
    energies: Annotated[Path, typer.Argument(help="Energies, as `lapsdata energies` writes them.")],
    out: Annotated[Path, typer.Option("--out", help="The segments, as FILE.parquet.", metavar="FILE")],
    segmenter: Annotated[str, typer.Option(help="See `lapsdata plugins`.", metavar="NAME")] = _BY_ENERGY,
    threshold: Annotated[
        str | None,
        typer.Option(
            help="Of the state machine: Otsu's, on logarithms or not, or a number.", metavar="otsu|otsu-linear|X"
        ),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", help="A parameter of the segmenter; may be repeated.", metavar="KEY=VALUE"),
    ] = None,
    smooth: Annotated[
        str | None, typer.Option(help="Smooth first: ema:SECONDS or moving_average:SECONDS.", metavar="HOW:S")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an existing file.")] = False,
    json: Json = False,
) -> None:
    """Cut the time of each video into segments where something moves.

    A threshold outside of the energies is told, and so are segments that the clock has made: a metronome scores well
    and has seen nothing.
    """
    from lapsdata.containers import Energies
    from lapsdata.formats import read, write
    from lapsdata.plugins import registry
    from lapsdata.provenance import parent
    from lapsdata.segmenters import metronome_problems
    from lapsdata.segmenters import segment as cut
    from lapsdata.segmenters import smooth as smoothed

    series = read(energies, Energies)
    origin = [parent("energies", energies)]
    if smooth is not None:
        how, seconds = _smoothing(smooth)
        series = smoothed(series, how, seconds, parents=origin)
    parameters = _parameters(settings or [])
    found = None
    if segmenter == _BY_ENERGY and "threshold" not in parameters:
        found = _threshold(threshold or "otsu", series)
        parameters["threshold"] = found.value
    elif threshold is not None:
        raise typer.BadParameter(f"only with --segmenter {_BY_ENERGY}, and not beside --set", param_hint="--threshold")
    made = cut(series, registry("segmenters").load(segmenter)(**parameters), parents=origin)
    write(out, made, overwrite=overwrite)
    problems = [*(found.problems if found else ()), *metronome_problems(made)]
    facts = {"out": str(out), **made.facts()}
    if found is not None:
        facts["threshold"] = f"{found.value:.4g} ({found.method}), {found.above:.0%} of the energies are above"
    if json:
        console.write_json(facts, problems)
    else:
        console.write_facts(facts)
        console.report(problems)
    finish(problems)


def _smoothing(text: str) -> tuple[Any, float]:
    how, _, seconds = text.partition(":")
    try:
        return how, float(seconds)
    except ValueError:
        message = f"expected ema:SECONDS or moving_average:SECONDS, got {text!r}"
        raise typer.BadParameter(message, param_hint="--smooth") from None


def _parameters(settings: list[str]) -> dict[str, Any]:
    """Return KEY=VALUE as a mapping; a value is read as JSON, and is a text where it is none."""
    found: dict[str, Any] = {}
    for setting in settings:
        key, equals, value = setting.partition("=")
        if not equals or not key:
            raise typer.BadParameter(f"expected KEY=VALUE, got {setting!r}", param_hint="--set")
        try:
            found[key] = json_text.loads(value)
        except ValueError:
            found[key] = value
    return found


def _threshold(text: str, series: Energies) -> Threshold:
    from lapsdata.segmenters import given_threshold, otsu_threshold

    if text in {"otsu", "otsu-linear"}:
        return otsu_threshold(series, scale="log" if text == "otsu" else "linear")
    try:
        return given_threshold(float(text), series)
    except ValueError:
        message = f"expected otsu, otsu-linear or a number, got {text!r}"
        raise typer.BadParameter(message, param_hint="--threshold") from None


PLUGIN = segment
