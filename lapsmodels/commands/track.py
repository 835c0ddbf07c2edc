"""`lapsdata track`: videos in, one tracks file for each out."""

from __future__ import annotations

import json as decoder
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

import typer

from lapsdata import console
from lapsdata.verbs import Json, Settings, finish, output_folder
from lapsmodels.commands._gates import gate_parameters

if TYPE_CHECKING:
    from collections.abc import Callable


__all__ = ["PLUGIN"]

N = TypeVar("N", int, float)


class _ActiveArea(StrEnum):
    AUTO = "auto"
    FULL = "full"


class _Profile(StrEnum):
    RAW = "raw"
    COMPACT = "compact"


def track(
    context: typer.Context,
    videos: Annotated[list[str], typer.Argument(help="Files, folders, globs, image folders or URLs.")],
    out: Annotated[
        Path,
        typer.Option(
            "--out",
            parser=output_folder,
            metavar="<path>",
            help="Folder for the tracks files; made if it is not there.",
        ),
    ],
    fps: Annotated[
        str | None, typer.Option(help="Frames per second, as 10 or 30000/1001; by default the video's own.")
    ] = None,
    resize_shorter: Annotated[
        str, typer.Option(metavar="N|none", help="Reduce larger frames to this shorter side, in pixels.")
    ] = "480",
    points: Annotated[
        int | None, typer.Option(min=1, help="Points N per window; 400 by default, a file of points has its own.")
    ] = None,
    horizon: Annotated[int, typer.Option(min=2, help="Frames T per window.")] = 16,
    stride: Annotated[int, typer.Option(min=1, help="Frames from one window to the next.")] = 4,
    query: Annotated[
        str, typer.Option(metavar="uniform|random|FILE", help="Layout of the points; a file holds x,y source pixels.")
    ] = "uniform",
    seed: Annotated[int | None, typer.Option(min=0, help="Seed of --query random; 0 by default.")] = None,
    continuous: Annotated[
        bool,
        typer.Option("--continuous/--reinit", help="Follow one set of points, or begin each window with new ones."),
    ] = False,
    gate_mad: Annotated[
        float | None,
        typer.Option(min=0, max=1, metavar="D", help="Leave out windows whose pixels stand still; LAPS has 0.005."),
    ] = None,
    gate_active: Annotated[
        float | None,
        typer.Option(
            min=0, max=1, metavar="S", help="With --gate-mad: unless a share S of the pixels differs; 0.05 by default."
        ),
    ] = None,
    gate_pixel_diff: Annotated[
        float | None,
        typer.Option(
            min=0, max=1, metavar="D", help="With --gate-mad: from which difference on a pixel does; 0.02 by default."
        ),
    ] = None,
    active_area: Annotated[_ActiveArea, typer.Option(help="Leave constant borders out, or do not.")] = _ActiveArea.AUTO,
    confidence: Annotated[bool, typer.Option("--confidence", help="Store a confidence per position too.")] = False,
    view: Annotated[str, typer.Option(help="Name of the view in the files.")] = "default",
    tracker: Annotated[str, typer.Option(help="See `lapsdata plugins`.")] = "dense_flow",
    tracker_option: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=VALUE", help="An option of the tracker itself, as checkpoint=FILE; may be repeated."
        ),
    ] = None,
    compare_with: Annotated[
        str | None, typer.Option(metavar="TRACKER", help="Also follow the points by it, to tell how far both agree.")
    ] = None,
    recursive: Annotated[bool, typer.Option("--recursive", help="Also look into the folders of folders.")] = False,
    match: Annotated[str | None, typer.Option(metavar="PATTERN", help="Only names like 'S2_*'.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Only the first N videos.")] = None,
    to: Annotated[str, typer.Option(metavar="FORMAT", help="tracks_hdf5, tracks_zarr, or just hdf5, zarr.")] = "hdf5",
    profile: Annotated[_Profile, typer.Option(help="Uncompressed, or rounded and compressed.")] = _Profile.RAW,
    round_px: Annotated[
        str | None, typer.Option(metavar="PX|none", help="What compact rounds to; 1/64 pixel by default.")
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Track again, and replace, what is done; never what others made.")
    ] = False,
    workers: Annotated[int | None, typer.Option(min=1, help="Processes; by default one per core.")] = None,
    json: Json = False,
) -> None:
    """Track points through videos.

    A second call does only what is missing or changed: a file is kept if its seal and its header say that it is whole
    and made of this video, by this tracker, with these options. Its positions are not read for that: inspect reads
    them, and --force makes them again. Each file appears when it is complete; a video that fails is named at the end,
    and the others are done.
    """
    from lapsdata.execution.report import Interrupted, show
    from lapsdata.timebase import FrameRate
    from lapsdata.video.sources import find_videos
    from lapsmodels.stages.track_many import track_videos, tracks_format
    from lapsmodels.stages.track_options import TrackOptions
    from lapsmodels.stages.track_report import TrackReport

    if round_px is not None and profile is not _Profile.COMPACT:
        raise typer.BadParameter("only with --profile compact", param_hint="--round-px")
    layout, query_file = _layout(query, points, seed)
    given: dict[str, Any] = {"points": points, "seed": seed, "rate": None if fps is None else FrameRate.parse(fps)}
    options = TrackOptions(
        **{name: value for name, value in given.items() if value is not None},
        horizon=horizon,
        stride=stride,
        query=layout,
        continuous=continuous,
        gate_mad=gate_mad,
        **gate_parameters("--gate-mad", gate_mad, gate_active=gate_active, gate_pixel_diff=gate_pixel_diff),
        active_area=active_area.value,
        confidence=confidence,
        view=view,
        tracker=tracker,
        tracker_options=_tracker_options(tracker_option or []),
        compare_with=compare_with,
        resize_shorter=_number_or_none(resize_shorter, "--resize-shorter", int),
        format=tracks_format(to).name,
        profile=profile.value,
        round_px="none" if round_px == "none" else _number_or_none(round_px, "--round-px", float),
    )
    found = find_videos(videos, recursive=recursive, match=match, limit=limit, lost="list")
    stopped: Interrupted | None = None
    try:
        report = track_videos(found, out, options, query_file=query_file, force=force, workers=workers)
    except Interrupted as stop:
        stopped, report = stop, stop.report
    report = TrackReport(report.entries, report.leftovers, found.unmatched, found.beyond_limit)
    if json:
        console.write_json(report.as_json(), report.problems)
    else:
        show(report, tracebacks=context.ensure_object(Settings).traceback)
    if stopped is not None:
        raise typer.Exit(128 + stopped.number)
    finish(report.problems)


def _layout(
    query: str, points: int | None, seed: int | None
) -> tuple[Literal["uniform", "random", "file"], Path | None]:
    """Return the layout of the points, and their file; refuse options that would have no effect."""
    if seed is not None and query != "random":
        raise typer.BadParameter("only with --query random", param_hint="--seed")
    for layout in ("uniform", "random"):
        if query == layout:
            return layout, None
    if not Path(query).exists():
        message = f"expected uniform, random, or a file of points x,y; got {query!r}, and there is no such file"
        raise typer.BadParameter(message, param_hint="--query")
    if points is not None:
        raise typer.BadParameter("a file of points has its own number of them", param_hint="--points")
    return "file", Path(query)


def _tracker_options(given: list[str]) -> dict[str, Any]:
    """Return options by name; what is a number, `true` or `false` is one, and everything else is a text."""
    found: dict[str, Any] = {}
    for option in given:
        name, equals, text = option.partition("=")
        if not (name and equals) or name in found:
            message = f"expected NAME=VALUE, each name once, got {option!r}"
            raise typer.BadParameter(message, param_hint="--tracker-option")
        try:
            value = decoder.loads(text)
        except ValueError:
            value = text
        found[name] = value if isinstance(value, (bool, int, float)) else text
    return found


def _number_or_none(text: str | None, option: str, kind: Callable[[str], N]) -> N | None:
    if text is None or text == "none":
        return None
    try:
        return kind(text)
    except ValueError:
        raise typer.BadParameter(f"expected a number or none, got {text!r}", param_hint=option) from None


PLUGIN = track
