"""`lapsdata energies`: how much motion, step by step, of tracks or tokens."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from lapsdata import console
from lapsdata.verbs import Json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lapsdata.containers import Container

__all__ = ["PLUGIN"]

C = TypeVar("C", bound="Container")


class _Latents(StrEnum):
    QUANTIZED = "quantized"
    PREQUANT = "prequant"


class _Camera(StrEnum):
    KEEP = "keep"
    MEDIAN = "median"


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
    latents: Annotated[_Latents, typer.Option(help="Of tokens: which latents.")] = _Latents.QUANTIZED,
    camera: Annotated[
        _Camera, typer.Option(help="Of tracks: take off the motion that the whole picture shares, or do not.")
    ] = _Camera.KEEP,
    view: Annotated[str | None, typer.Option(help="Of tracks with several views: this one.", metavar="NAME")] = None,
    gate: Annotated[
        float | None, typer.Option(min=0, help="Values below it are gated: too little motion to measure.")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an existing file.")] = False,
    json: Json = False,
) -> None:
    """Measure motion over time.

    Each value has its own time, and a state: measured, gated or missing. A gated or missing one has no energy; it is
    never 0.
    """
    from lapsdata.containers import Tokens, Tracks
    from lapsdata.errors import Problem, SchemaError
    from lapsdata.formats import read, write
    from lapsdata.provenance import parent
    from lapsdata.transforms.energies import EnergyOptions, token_energies, track_energies

    paths = _files(files)
    containers = [read(path) for path in paths]
    # The record knows the words, and names them.
    told: dict[str, Any] = {"mode": mode, "latents": latents.value, "camera": camera.value, "view": view, "gate": gate}
    options = EnergyOptions(**told)
    if tracks := _all_of(containers, Tracks):
        made = track_energies(tracks, options, parents=[parent("tracks", path) for path in paths])
    elif tokens := _all_of(containers, Tokens):
        made = token_energies(tokens, options, parents=[parent("tokens", path) for path in paths])
    else:
        got = ", ".join(sorted({type(one).__name__.lower() for one in containers})) or "none"
        message = f"expected tracks alone, or tokens alone, got {got}"
        raise SchemaError(Problem("wrong-record", ", ".join(map(str, files)), message))
    write(out, made, overwrite=overwrite)
    if json:
        console.write_json({"out": str(out), **made.facts()})
    else:
        console.write_facts({"out": str(out), **made.facts()})


def _files(given: Sequence[Path]) -> list[Path]:
    """Return the files, and those in folders that are no file of ours themselves, by name."""
    from lapsdata.formats import recognise

    found: list[Path] = []
    for path in given:
        if path.is_dir() and path.suffix != ".zarr":
            found += sorted(one for one in path.iterdir() if one.suffix in {".h5", ".hdf5", ".zarr"})
        else:
            recognise(path)
            found.append(path)
    return found


def _all_of(containers: Sequence[Container], kind: type[C]) -> list[C]:
    """Return the containers where all of them are of a kind; none otherwise."""
    fitting = [one for one in containers if isinstance(one, kind)]
    return fitting if len(fitting) == len(containers) else []


PLUGIN = energies
