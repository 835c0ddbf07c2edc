"""`lapsdata energies`: how much motion, step by step, of tracks or tokens."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lapsdata import console
from lapsdata.verbs import Json, by_option

if TYPE_CHECKING:
    from lapsdata.containers import Energies
    from lapsdata.stages import Output

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
    context: typer.Context,
    files: Annotated[
        list[Path],
        typer.Argument(help="Tracks or tokens, one per video; or a folder of them. With --fuse, files of energies."),
    ],
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
    fuse: Annotated[
        str | None,
        typer.Option(
            metavar="zlogmean|zmean",
            help="Make one of energies of the same videos over several supports: the mean of their z-scores, of their "
            "logarithms or not.",
        ),
    ] = None,
    fuse_times: Annotated[
        str | None,
        typer.Option(
            metavar="equal|interpolate",
            help="With --fuse: rows of other times are refused, or interpolated at those of the first file; equal by "
            "default.",
        ),
    ] = None,
    fuse_like: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="With --fuse: take means and deviations of these, fused of train videos."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Measure again what is done.")] = False,
    json: Json = False,
) -> None:
    """Measure motion over time.

    Each value has its own time, and a state: measured, gated or missing. A gated or missing one has no energy; it is
    never 0.

    With --fuse, energies that were measured before are made one, on their own scales or those of train videos.
    """
    from lapsdata.stages.energies import EnergyStageOptions, energy_files, measure_files

    if fuse is not None:
        _expect_no_measuring(context)
        _tell(_fused(files, out, {"how": fuse, "times": fuse_times}, fuse_like, force), json)
        return
    if fuse_times is not None or fuse_like is not None:
        raise typer.BadParameter("goes with --fuse", param_hint="--fuse-like" if fuse_like else "--fuse-times")
    # The record knows the words, and names them.
    told: dict[str, Any] = {"mode": mode, "motion": motion.value, "points": points.value, "view": view, "gate": gate}
    told["source"] = None if source is None else source.value
    if smooth is not None:
        told["smoothing"], told["smoothing_s"] = _smoothing(smooth)
    _tell(measure_files(energy_files(files), out, EnergyStageOptions(**told), force=force), json)


def _tell(output: Output[Energies], json: bool) -> None:
    from lapsdata.stages.energies import energy_problems

    facts = {"out": str(output.path), **output.content.facts(), "done": output.fate}
    problems = energy_problems(output.content)
    if json:
        console.write_json(facts, problems)
    else:
        console.write_facts(facts)
        console.report(problems)


def _expect_no_measuring(context: typer.Context) -> None:
    """Refuse options that measure, beside --fuse: the energies are measured already."""
    for name in ("mode", "source", "motion", "points", "view", "gate", "smooth"):
        source = context.get_parameter_source(name)
        if source is not None and source.name == "COMMANDLINE":
            raise typer.BadParameter("not beside --fuse: its energies are measured already", param_hint=f"--{name}")


def _fused(
    files: list[Path], out: Path, told: dict[str, str | None], like: Path | None, force: bool
) -> Output[Energies]:
    from lapsdata.stages.fuse import fuse_files
    from lapsdata.transforms.fusion import FuseOptions

    given: dict[str, Any] = {key: value for key, value in told.items() if value is not None}
    with by_option("FuseOptions", lambda key: "--fuse" if key == "how" else f"--fuse-{key}"):
        options = FuseOptions(**given)
    return fuse_files(files, out, options, like=like, force=force)


def _smoothing(text: str) -> tuple[str, float]:
    how, _, seconds = text.partition(":")
    try:
        return how, float(seconds)
    except ValueError:
        message = f"expected ema:SECONDS or moving_average:SECONDS, got {text!r}"
        raise typer.BadParameter(message, param_hint="--smooth") from None


PLUGIN = energies
