"""`lapsdata energies`: how much motion, step by step, of tracks or tokens."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from lapsdata import console
from lapsdata.verbs import Json

__all__ = ["PLUGIN"]


class _Source(StrEnum):
    VELOCITY = "velocity"
    QUANTIZED = "quantized"
    PREQUANT = "prequant"


class _Motion(StrEnum):
    RAW = "raw"
    RESIDUAL = "residual"


class _Points(StrEnum):
    VISIBLE = "visible"
    ALL = "all"


def energies(
    files: Annotated[list[Path], typer.Argument(help="Tracks or tokens, one per video; or a folder of them.")],
    out: Annotated[Path, typer.Option("--out", help="The energies, as FILE.jsonl.", metavar="FILE")],
    mode: Annotated[
        str,
        typer.Option(
            metavar="MODE",
            help="Per time step: velocity_step, token_diff_step, token_size_step; per window: velocity_mean, "
            "token_diff_l2_mean, l2_mean.",
        ),
    ] = "velocity_step",
    source: Annotated[
        _Source | None, typer.Option(help="Velocity of tracks, or latents of tokens: quantized, unless MODE says else.")
    ] = None,
    motion: Annotated[
        _Motion, typer.Option(help="Of tracks: residual takes off the motion of the camera.")
    ] = _Motion.RAW,
    points: Annotated[
        _Points, typer.Option(help="Of tracks: those that are seen, or all, as LAPS measures them.")
    ] = _Points.VISIBLE,
    view: Annotated[str | None, typer.Option(help="Of tracks with several views: this one.", metavar="NAME")] = None,
    gate: Annotated[
        float | None, typer.Option(min=0, help="Values below it are gated: too little motion to measure.")
    ] = None,
    smooth: Annotated[
        str | None, typer.Option(help="Smooth too: ema:SECONDS or moving_average:SECONDS.", metavar="HOW:S")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Measure again what is done.")] = False,
    json: Json = False,
) -> None:
    """Measure motion over time.

    Each value has its own time, and a state: measured, gated or missing. A gated or missing one has no energy; it is
    never 0.
    """
    from lapsdata.stages.energies import EnergyStageOptions, energy_files, energy_problems, measure_files

    # The record knows the words, and names them.
    told: dict[str, Any] = {"mode": mode, "motion": motion.value, "points": points.value, "view": view, "gate": gate}
    told["source"] = None if source is None else source.value
    if smooth is not None:
        told["smoothing"], told["smoothing_s"] = _smoothing(smooth)
    output = measure_files(energy_files(files), out, EnergyStageOptions(**told), force=force)
    facts = {"out": str(out), **output.content.facts(), "done": output.fate}
    problems = energy_problems(output.content)
    if json:
        console.write_json(facts, problems)
    else:
        console.write_facts(facts)
        console.report(problems)


def _smoothing(text: str) -> tuple[str, float]:
    how, _, seconds = text.partition(":")
    try:
        return how, float(seconds)
    except ValueError:
        message = f"expected ema:SECONDS or moving_average:SECONDS, got {text!r}"
        raise typer.BadParameter(message, param_hint="--smooth") from None


PLUGIN = energies
