"""The task `invariance` of `lapsdata evaluate`: videos and a tokenizer in, its invariance card out."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lapsdata import console
from lapsdata.verbs import Json, key_values
from lapsmodels.commands._threads import patient_threads

if TYPE_CHECKING:
    from lapsdata.transforms.energies import EnergyOptions

__all__ = ["PLUGIN"]


class _Motion(StrEnum):
    RAW = "raw"
    RESIDUAL = "residual"


def invariance(
    videos: Annotated[list[str], typer.Argument(help="Files, folders, globs, folders of images, URLs.")],
    tokenizer: Annotated[Path, typer.Option(help="Folder that `lapsdata train` has written.", metavar="FOLDER")],
    out: Annotated[
        Path | None, typer.Option("--out", help="Write the result as FILE.json too.", metavar="FILE")
    ] = None,
    rate: Annotated[
        list[str] | None,
        typer.Option(
            help="Frames per second to change the videos to; may be repeated. By default 10, 15, 20 and 30.",
            metavar="R",
        ),
    ] = None,
    fps: Annotated[
        str,
        typer.Option(
            help="Frames per second of the windows: as the tokenizer was trained, the video's own, or a number.",
            metavar="trained|own|R",
        ),
    ] = "trained",
    energy: Annotated[
        str, typer.Option(help="Of steps: token_diff_step, token_size_step, velocity_step.", metavar="MODE")
    ] = "token_diff_step",
    source: Annotated[
        str | None, typer.Option(help="Of latents: quantized (the default) or prequant.", metavar="SOURCE")
    ] = None,
    threshold: Annotated[
        str,
        typer.Option(
            help="Otsu's on the unchanged videos, on logarithms or not, a number, or what `lapsdata threshold` wrote.",
            metavar="otsu|otsu-linear|X|FILE",
        ),
    ] = "otsu",
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", help="A parameter of the state machine; may be repeated.", metavar="KEY=VALUE"),
    ] = None,
    tolerance: Annotated[float, typer.Option(help="Seconds that matched boundaries are apart at most.", min=0)] = 0.25,
    noise: Annotated[float, typer.Option(help="Its standard deviation, in levels of 255.", min=0, max=255)] = 5.0,
    bars: Annotated[
        float, typer.Option(help="Height of each bar of the letterbox, as a share of the picture's.", max=2)
    ] = 0.125,
    stride: Annotated[int, typer.Option(min=1, help="Frames from one window to the next.")] = 4,
    resize_shorter: Annotated[
        int, typer.Option(min=0, help="Larger frames are tracked at this shorter side; 0 does not reduce them.")
    ] = 480,
    tracker: Annotated[str, typer.Option(help="See `lapsdata plugins`.", metavar="NAME")] = "dense_flow",
    motion: Annotated[
        _Motion, typer.Option(help="Residual takes the motion of the camera off; `train` never does.")
    ] = _Motion.RAW,
    draws: Annotated[int, typer.Option(help="How often chance is tried.", min=1)] = 50,
    seed: Annotated[int, typer.Option(help="Of noise and chance.", min=0)] = 0,
    force: Annotated[bool, typer.Option("--force", help="Measure again what --out holds already.")] = False,
    json: Json = False,
) -> None:
    """Tell what changes that change nothing do to tokens.

    The same videos at other rates, at half size, mirrored, between bars, with noise and backwards: how far boundaries
    shift, and how many codes are equal at the same time, beside chance. The threshold is found once, in the unchanged
    videos.
    """
    patient_threads()
    from lapsdata.timebase import FrameRate
    from lapsdata.transforms.energies import EnergyOptions
    from lapsmodels.stages.invariance import invariance_card, write_card
    from lapsmodels.stages.invariance_options import InvarianceOptions
    from lapsmodels.stages.invariance_table import invariance_table
    from lapsmodels.stages.track_options import TrackOptions

    measured: dict[str, Any] = {"mode": energy, "source": source}
    energies = EnergyOptions(**measured, motion=motion.value if energy.startswith("velocity") else "raw")
    told: dict[str, Any] = {"threshold": _threshold(threshold, energies, tokenizer, motion.value)}
    if rate:
        told["rates"] = tuple(FrameRate.parse(one) for one in rate)
    options = InvarianceOptions(
        **told,
        track=TrackOptions(tracker=tracker, stride=stride, resize_shorter=resize_shorter or None),
        windows=_windows(fps),
        motion=motion.value,
        energies=energies,
        segmenter=key_values(settings or []),
        bar_share=bars,
        sigma=noise,
        tolerance_s=tolerance,
        draws=draws,
        seed=seed,
    )
    if out is None:
        result = invariance_card(videos, tokenizer, options)
    else:
        result = write_card(videos, tokenizer, out, options, force=force).content
    if json:
        console.write_json(result.as_json())
        return
    for line in invariance_table(result).splitlines():
        console.write(line)


def _windows(text: str) -> Any:  # noqa: ANN401 - a word, or a rate that is imported late
    from lapsdata.timebase import FrameRate

    return text if text in {"trained", "own"} else FrameRate.parse(text)


def _threshold(text: str, energies: EnergyOptions, tokenizer: Path, motion: str) -> str | float:
    """Return the threshold, or the word for how it is found; one from a file must be of what is measured here."""
    from lapsdata.stages.threshold import (
        GivenOptions,
        Measure,
        expect_same_measure,
        read_threshold,
        threshold_options,
    )
    from lapsmodels.tokenizer.checkpoint import read_tokenizer_header

    if Path(text).suffix == ".json" or Path(text).is_file():
        record = read_threshold(Path(text))
        weights = None if energies.of_tracks else read_tokenizer_header(tokenizer).weights
        expect_same_measure(record, Measure(energies.of, energies.measured, None, weights, motion), text)
        return record.value
    parted = threshold_options(text)
    return parted.value if isinstance(parted, GivenOptions) else text


PLUGIN = invariance
