"""`lapsdata track`: videos in, one tracks file for each out."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from lapsdata import console
from lapsdata.verbs import Json, finish

if TYPE_CHECKING:
    from collections.abc import Callable

    from lapsdata.execution.report import Report
    from lapsdata.formats import WriteReport

__all__ = ["PLUGIN"]

N = TypeVar("N", int, float)


class _ActiveArea(StrEnum):
    AUTO = "auto"
    FULL = "full"


class _Profile(StrEnum):
    RAW = "raw"
    COMPACT = "compact"


def track(
    videos: Annotated[list[str], typer.Argument(help="Files, folders, globs, image folders or URLs.")],
    out: Annotated[Path, typer.Option("--out", help="Folder for the tracks files; made if it is not there.")],
    fps: Annotated[
        str | None, typer.Option(help="Frames per second, as 10 or 30000/1001; by default the video's own.")
    ] = None,
    resize_shorter: Annotated[
        str, typer.Option(metavar="N|none", help="Reduce larger frames to this shorter side, in pixels.")
    ] = "480",
    points: Annotated[int, typer.Option(min=1, help="Points N per window.")] = 400,
    horizon: Annotated[int, typer.Option(min=2, help="Frames T per window.")] = 16,
    stride: Annotated[int, typer.Option(min=1, help="Frames from one window to the next.")] = 4,
    query: Annotated[
        str, typer.Option(metavar="uniform|random|FILE", help="Layout of the points; a file holds x,y source pixels.")
    ] = "uniform",
    seed: Annotated[int, typer.Option(min=0, help="Seed of --query random.")] = 0,
    continuous: Annotated[
        bool,
        typer.Option("--continuous/--reinit", help="Follow one set of points, or begin each window with new ones."),
    ] = False,
    active_area: Annotated[_ActiveArea, typer.Option(help="Leave constant borders out, or do not.")] = _ActiveArea.AUTO,
    confidence: Annotated[bool, typer.Option("--confidence", help="Store a confidence per position too.")] = False,
    view: Annotated[str, typer.Option(help="Name of the view in the files.")] = "default",
    tracker: Annotated[str, typer.Option(help="See `lapsdata plugins`.")] = "dense_flow",
    recursive: Annotated[bool, typer.Option("--recursive", help="Also look into the folders of folders.")] = False,
    match: Annotated[str | None, typer.Option(metavar="PATTERN", help="Only names like 'S2_*'.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Only the first N videos.")] = None,
    to: Annotated[str, typer.Option(metavar="FORMAT", help="tracks_hdf5, tracks_zarr, or just hdf5, zarr.")] = "hdf5",
    profile: Annotated[_Profile, typer.Option(help="Uncompressed, or rounded and compressed.")] = _Profile.RAW,
    round_px: Annotated[
        str | None, typer.Option(metavar="PX|none", help="What compact rounds to; 1/64 pixel by default.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Track again what is already done.")] = False,
    workers: Annotated[int | None, typer.Option(min=1, help="Processes; by default one per core.")] = None,
    json: Json = False,
) -> None:
    """Track points through videos.

    A second call does only what is missing or changed. Each file appears when it is complete; a video that fails is
    named at the end, and the others are done.
    """
    from lapsdata.execution.report import Interrupted
    from lapsdata.timebase import FrameRate
    from lapsmodels.stages.track_many import track_videos, tracks_format
    from lapsmodels.stages.track_options import TrackOptions

    laid_out = query if query in ("uniform", "random") else "file"
    given: dict[str, Any] = {
        "points": points,
        "horizon": horizon,
        "stride": stride,
        "seed": seed,
        "continuous": continuous,
    }
    given |= {"query": laid_out, "confidence": confidence, "view": view, "tracker": tracker, "profile": profile.value}
    options = TrackOptions(
        **given,
        rate=None if fps is None else FrameRate.parse(fps),
        resize_shorter=_number_or_none(resize_shorter, "--resize-shorter", int),
        active_area=active_area.value,
        format=tracks_format(to).name,
        round_px="none" if round_px == "none" else _number_or_none(round_px, "--round-px", float),
    )
    try:
        report = track_videos(
            videos,
            out,
            options,
            query_file=Path(query) if laid_out == "file" else None,
            recursive=recursive,
            match=match,
            limit=limit,
            force=force,
            workers=workers,
        )
    except Interrupted as stop:
        _tell(stop.report, json=json)
        raise typer.Exit(128 + stop.number) from None
    _tell(report, json=json)
    finish(report.problems)


def _number_or_none(text: str | None, option: str, kind: Callable[[str], N]) -> N | None:
    if text is None or text == "none":
        return None
    try:
        return kind(text)
    except ValueError:
        raise typer.BadParameter(f"expected a number or none, got {text!r}", param_hint=option) from None


def _tell(report: Report[WriteReport], *, json: bool) -> None:
    if json:
        console.write_json(report.as_json(), report.problems)
    else:
        from lapsdata.execution.report import show

        show(report)


PLUGIN = track
