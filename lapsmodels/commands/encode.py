"""`lapsdata encode`: tracks and a tokenizer in, one file of tokens per video out."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from lapsdata import console
from lapsdata.verbs import Json, Settings, finish, output_folder
from lapsmodels.commands._gates import gate_parameters
from lapsmodels.commands._threads import patient_threads

__all__ = ["PLUGIN"]


class _Latents(StrEnum):
    NONE = "none"
    QUANTIZED = "quantized"
    BOTH = "both"


class _Device(StrEnum):
    CPU = "cpu"
    CUDA = "cuda"


class _Motion(StrEnum):
    RAW = "raw"
    RESIDUAL = "residual"


def encode(
    context: typer.Context,
    files: Annotated[list[Path], typer.Argument(help="Tracks, one file per video; or a folder of them.")],
    tokenizer: Annotated[Path, typer.Option(help="Folder that `lapsdata train` has written.", metavar="FOLDER")],
    out: Annotated[Path, typer.Option("--out", parser=output_folder, help="Folder of the tokens.", metavar="FOLDER")],
    latents: Annotated[_Latents, typer.Option(help="What is stored beside the codes.")] = _Latents.QUANTIZED,
    motion: Annotated[
        _Motion, typer.Option(help="Residual takes the motion of the camera off; `train` never does.")
    ] = _Motion.RAW,
    gate_speed: Annotated[
        float | None, typer.Option(min=0, metavar="V", help="Leave out windows that stand still; LAPS has 0.02.")
    ] = None,
    gate_share: Annotated[
        float | None,
        typer.Option(
            min=0, max=1, metavar="S", help="With --gate-speed: unless a share S of points is faster; 0.025 by default."
        ),
    ] = None,
    device: Annotated[_Device, typer.Option(help="Where windows are encoded; cuda takes all GPUs.")] = _Device.CPU,
    workers: Annotated[int | None, typer.Option(min=1, help="Processes; by default all in this one.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Encode again what is done.")] = False,
    json: Json = False,
) -> None:
    """Turn windows of tracks into codes.

    A second call does only what is missing or changed; a video that fails is named at the end, and the others are done.
    """
    patient_threads()
    from lapsdata.execution.report import Interrupted, Report, show
    from lapsdata.stages.energies import energy_files
    from lapsmodels.stages.encode_many import EncodeOptions, encode_files

    options = EncodeOptions(
        latents=latents.value,
        motion=motion.value,
        gate_speed=gate_speed,
        **gate_parameters("--gate-speed", gate_speed, gate_share=gate_share),
        device=device.value,
    )
    stopped: Interrupted | None = None
    try:
        report: Report[Any] = encode_files(energy_files(files), tokenizer, out, options, force=force, workers=workers)
    except Interrupted as stop:
        stopped, report = stop, stop.report
    if json:
        console.write_json(report.as_json(), report.problems)
    else:
        show(report, tracebacks=context.ensure_object(Settings).traceback)
    if stopped is not None:
        raise typer.Exit(128 + stopped.number)
    finish(report.problems)


PLUGIN = encode
