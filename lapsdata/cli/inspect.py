"""`lapsdata inspect`: what is in a file, in one screen, and as a picture."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lapsdata import console
from lapsdata.cli._split_names import split_names
from lapsdata.errors import Problem, StorageError, UnknownFormatError
from lapsdata.verbs import Json, finish

if TYPE_CHECKING:
    from lapsdata._inspect import InspectedBoxes, InspectedEpisodes, InspectedFile, InspectedVideo, InspectedViews
    from lapsdata.geometry import FrameSize

__all__ = ["PLUGIN"]


@dataclass(frozen=True, slots=True)
class _Drawing:
    """What was said about the picture."""

    png: Path | None
    fps: str | None
    video: str | None
    window: int | None
    view: str | None
    columns: int | None
    rows: int | None
    overwrite: bool

    def given(self, *names: str) -> list[str]:
        """Return those of the options that were given."""
        values = {name: getattr(self, name) for name in names}
        return [f"--{name}" for name, value in values.items() if value is not None and value is not False]


def inspect(
    file: Annotated[
        str,
        typer.Argument(
            help="A file or folder of ours, robot episodes, tracked boxes, views or files of them, or a video: a "
            "file, a URL or a folder of images; with --low-level any HDF5 file."
        ),
    ],
    low_level: Annotated[
        bool, typer.Option("--low-level", help="How each HDF5 dataset is stored, and what can read it.")
    ] = False,
    pick: Annotated[
        int | None, typer.Option(min=0, help="With --low-level: look at this item of each dataset.")
    ] = None,
    format: Annotated[
        str | None, typer.Option(help="Read it as this format, instead of looking into it.", metavar="NAME")
    ] = None,
    fps: Annotated[
        str | None,
        typer.Option("--fps", "--rate", help="Images per second of a folder of images, or rows of silent episodes."),
    ] = None,
    png: Annotated[
        Path | None,
        typer.Option(
            help="Draw it as well: a contact sheet of a video or of episodes, or tracks with trails.", metavar="FILE"
        ),
    ] = None,
    video: Annotated[
        str | None, typer.Option(help="With --png: the video that the tracks were made from.", metavar="VIDEO")
    ] = None,
    window: Annotated[int | None, typer.Option(min=0, help="With --png: only this window of the tracks.")] = None,
    view: Annotated[str | None, typer.Option(help="With --png: only this view of the tracks.", metavar="NAME")] = None,
    columns: Annotated[int | None, typer.Option(min=1, max=100, help="With --png: pictures in a row.")] = None,
    rows: Annotated[int | None, typer.Option(min=1, max=100, help="With --png: rows of pictures.")] = None,
    episodes: Annotated[
        int | None, typer.Option(min=1, help="Of robot episodes: list so many, spread over all; by default 20.")
    ] = None,
    sample: Annotated[
        int | None,
        typer.Option(min=0, help="Of views: sets of each split whose masks and depth are read; by default 8."),
    ] = None,
    depth_root: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Of views of others: the root where their depth lies.")
    ] = None,
    splits: Annotated[
        str | None, typer.Option(metavar="NAME,...", help="Of views: splits that are looked at, as train,val.")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an existing --png file.")] = False,
    json: Json = False,
) -> None:
    """Show what is in a file, a video, episodes of a robot, or boxes.

    Every checksum of a file of ours is compared, for which it is read into memory, however large it is. Of a video
    the packets are read, and no frame is decoded; of a folder of images, the first is. Of robot episodes the
    packets of those that are listed are: what their videos are stands beside what is said of the cameras. Of tracked
    boxes (MOTChallenge, databases of detections, Label Studio and more) every row is read: frames, boxes by label, and
    ids, by sequence and source; images beside them are counted, and in a folder of sequences databases of detections
    are looked for, and how many of the images have a key there. Of views (OPV2V) every pose is read: splits, scenarios,
    agents and frames, and where pictures and depth are missing. Of these and of views of ours, each split is told:
    cameras, how far these are from the origin and from the first of their set, and histograms of masks and depth, of
    some of its sets (--sample); --splits are those alone. --low-level reads one value of each dataset, or the
    item that is picked, and compares nothing.
    """
    drawing = _Drawing(png, fps, video, window, view, columns, rows, overwrite)
    _refuse(drawing, low_level, pick, format)
    of_views = {"depth_root": depth_root, "sample": sample, "splits": split_names(splits)}
    if low_level and any(value is not None for value in of_views.values()):
        raise typer.BadParameter("only without --low-level", param_hint="--sample, --splits or --depth-root")
    if low_level:
        _inspect_low_level(_local(file), pick, json)
    else:
        _inspect(file, format, drawing, episodes, of_views, json)


def _refuse(drawing: _Drawing, low_level: bool, pick: int | None, format: str | None) -> None:
    """Refuse options that do not go together, before anything is opened."""
    for name, wrong in (
        ("--pick", pick is not None and not low_level),
        ("--format", format is not None and low_level),
        ("--png", drawing.png is not None and low_level),
        ("--fps", drawing.fps is not None and low_level),
    ):
        if wrong:
            raise typer.BadParameter(f"only with{'out' * low_level} --low-level", param_hint=name)
    if drawing.png is None:
        if alone := drawing.given("video", "window", "view", "columns", "rows", "overwrite"):
            raise typer.BadParameter("only with --png", param_hint=alone[0])
    elif drawing.png.suffix.lower() != ".png":
        raise typer.BadParameter(f"expected a name that ends with .png, got {drawing.png}", param_hint="--png")
    if drawing.window is not None and (shape := drawing.given("columns", "rows")):
        raise typer.BadParameter("one window is one picture: not with --window", param_hint=shape[0])


def _local(file: str) -> Path:
    from lapsdata.video._bytes import is_url

    if is_url(file):
        message = "expected a file of this machine for --low-level, got a URL"
        raise UnknownFormatError(Problem("not-local", file, message, "download it first"))
    return Path(file)


def _inspect(
    file: str,
    name: str | None,
    drawing: _Drawing,
    most: int | None,
    of_views: dict[str, Any],
    json: bool,
) -> None:
    from lapsdata._inspect import InspectedBoxes, InspectedEpisodes, InspectedVideo, InspectedViews, look_at

    if drawing.png is not None and drawing.png.exists() and not drawing.overwrite:
        message = "expected a free name, got an existing one"
        raise StorageError(Problem("exists", str(drawing.png), message, "pass --overwrite to replace it"))
    found = look_at(file, name, rate=drawing.fps, most_episodes=most, **of_views)
    if most is not None and not isinstance(found, InspectedEpisodes):
        raise typer.BadParameter(f"only for robot episodes: {file} is none", param_hint="--episodes")
    notes = found.notes if isinstance(found, InspectedEpisodes | InspectedBoxes | InspectedViews) else ()
    size = None if drawing.png is None else _draw(found, drawing.png, drawing)
    if json:
        drawn = None if size is None else {"path": str(drawing.png), "width": size.width, "height": size.height}
        console.write_json({**found.as_json(), "picture": drawn}, notes)
    else:
        picture = {} if size is None else {"picture": f"{drawing.png}, {size.width} x {size.height} pixel"}
        console.write_facts({**found.facts(), **picture})
        if not isinstance(found, InspectedVideo):
            for columns, rows in found.tables():
                console.write("")
                console.write_table(columns, rows)
            if found.remark is not None:
                console.write(found.remark)
        console.report(notes)


def _draw(
    found: InspectedFile | InspectedVideo | InspectedEpisodes | InspectedBoxes | InspectedViews,
    png: Path,
    drawing: _Drawing,
) -> FrameSize:
    """Write the picture and return its size."""
    from lapsdata._inspect import InspectedBoxes, InspectedEpisodes, InspectedFile, InspectedVideo, InspectedViews
    from lapsdata.containers import Tracks
    from lapsdata.geometry import FrameSize
    from lapsdata.report import contact_sheet, draw_tracks, write_png
    from lapsdata.report.episode_sheets import episode_sheet

    shape = {"columns": drawing.columns, "rows": drawing.rows}
    if isinstance(found, InspectedBoxes | InspectedViews):
        raise _no_picture(found.path, "boxes" if isinstance(found, InspectedBoxes) else "views", found.adapter)
    if not isinstance(found, InspectedFile) and (wrong := drawing.given("video", "window", "view")):
        what = "robot episodes" if isinstance(found, InspectedEpisodes) else "a video"
        raise typer.BadParameter(f"only for tracks: {found.path} is {what}", param_hint=wrong[0])
    if isinstance(found, InspectedEpisodes):
        image = episode_sheet(found.root, found.episodes, **shape)
    elif isinstance(found, InspectedVideo):
        image = contact_sheet(found.path, rate=drawing.fps, **shape)
    elif isinstance(found.container, Tracks):
        windows = None if drawing.window is None else [drawing.window]
        image = draw_tracks(found.container, drawing.video, windows=windows, view=drawing.view, **shape)
    else:
        raise _no_picture(found.path, type(found.container).__name__.lower(), found.format)
    write_png(png, image, overwrite=drawing.overwrite)
    return FrameSize.from_shape(image.shape)


def _no_picture(path: Path, what: str, form: str) -> UnknownFormatError:
    message = f"expected a video, tracks or episodes to draw, got {what} ({form})"
    fix = "lapsdata overlay draws boxes on their frames" if what == "boxes" else "leave out --png"
    return UnknownFormatError(Problem("no-picture", str(path), message, fix))


def _inspect_low_level(file: Path, pick: int | None, json: bool) -> None:
    from lapsdata._inspect import inspect_low_level, render_low_level

    report = inspect_low_level(file, pick)
    if json:
        console.write_json(report.as_json(), report.problems)
    else:
        for line in render_low_level(report).splitlines():
            console.write(line)
    finish(report.problems)


PLUGIN = inspect
