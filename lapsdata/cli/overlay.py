"""`lapsdata overlay`: boxes on the frames that they were made of."""

from __future__ import annotations

import re
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lapsdata import console
from lapsdata.verbs import Json, finish

if TYPE_CHECKING:
    from lapsdata.errors import Problem
    from lapsdata.report.box_overlays import BoxOverlay
    from lapsdata.report.layered_boxes import BoxLayer

__all__ = ["PLUGIN"]


class _Kind(StrEnum):
    TRUTH = "truth"
    DETECTIONS = "detections"
    TRACKS = "tracks"


def overlay(
    boxes: Annotated[
        list[Path], typer.Argument(help="Boxes, of ours or of others; each file is a layer.", metavar="BOXES...")
    ],
    on: Annotated[
        Path | None,
        typer.Option("--on", help="The pictures, where the boxes do not say where they lie.", metavar="VIDEO|IMAGES"),
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", help="Video to write, .mp4 or .mkv.", metavar="FILE")] = None,
    sheet: Annotated[Path | None, typer.Option(help="Contact sheet to write, .png.", metavar="FILE")] = None,
    kinds: Annotated[
        list[_Kind] | None,
        typer.Option("--as", help="What a file holds, in their order; by default it says so itself."),
    ] = None,
    sequence: Annotated[str | None, typer.Option(help="Which one, of several.", metavar="NAME")] = None,
    min_score: Annotated[
        float | None, typer.Option(help="Detections with a lower score are left out.", metavar="S")
    ] = None,
    frames: Annotated[
        str | None,
        typer.Option(help="First and last frame: numbers of images; of a video counted from 0.", metavar="A:B"),
    ] = None,
    trail: Annotated[int, typer.Option(min=0, help="Frames that trails of tracks go back; 0 for none.")] = 30,
    fps: Annotated[
        str | None, typer.Option(help="Images per second, where the boxes do not say it.", metavar="FPS")
    ] = None,
    first_number: Annotated[
        int | None, typer.Option(min=0, help="Number of the image of the first frame of the boxes.", metavar="N")
    ] = None,
    skip_missing: Annotated[
        bool, typer.Option("--skip-missing", help="Leave out boxes of frames without a picture, and count them.")
    ] = False,
    columns: Annotated[int | None, typer.Option(min=1, max=100, help="Of --sheet: pictures in a row.")] = None,
    rows: Annotated[int | None, typer.Option(min=1, max=100, help="Of --sheet: rows of pictures.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace existing outputs.")] = False,
    json: Json = False,
) -> None:
    """Draw truth, detections and tracks on their frames.

    A truth is white; detections are green above a score of 0.7, yellow above 0.5, else orange; tracks have the colour
    of their identity and a trail. Above each picture stand the number of the frame and the boxes of each layer in it.
    Images are known by the numbers in their names, with any number of digits, and never by their place in the folder.
    A frame with boxes and no picture is an error, and so are pictures of another size than the boxes were made on.
    """
    from lapsdata.report import overlay_boxes
    from lapsdata.report.box_files import read_box_layers
    from lapsdata.report.box_frames import images_beside
    from lapsdata.report.tile_grid import TileGrid

    if sheet is None and (columns or rows):
        raise typer.BadParameter("only with --sheet", param_hint="--columns" if columns else "--rows")
    span = None if frames is None else _span(frames)
    found = read_box_layers(boxes, kinds=[one.value for one in kinds or ()], sequence=sequence, min_score=min_score)
    done = overlay_boxes(
        found.layers,
        images_beside(boxes, found.layers) if on is None else on,
        out=out,
        sheet=sheet,
        rate=fps,
        frames=span,
        first_number=first_number,
        trail=trail,
        missing="skip" if skip_missing else "raise",
        grid=TileGrid(columns, rows),
        overwrite=force,
    )
    _tell(found.layers, done, (out, sheet), (*found.notes, *done.notes), json=json)


def _span(text: str) -> tuple[int, int]:
    parts = re.fullmatch(r"(\d+):(\d+)", text)
    if parts is None or int(parts[1]) > int(parts[2]):
        raise typer.BadParameter(f"expected FIRST:LAST, as 1:300, got {text!r}", param_hint="--frames")
    return int(parts[1]), int(parts[2])


def _tell(
    layers: list[BoxLayer],
    done: BoxOverlay,
    outputs: tuple[Path | None, Path | None],
    problems: tuple[Problem, ...],
    *,
    json: bool,
) -> None:
    named = {name: str(path) for name, path in zip(("out", "sheet"), outputs, strict=True) if path is not None}
    if json:
        told = [
            {"name": layer.name, "kind": layer.kind, "why": layer.why, "boxes": done.boxes[layer.name]}
            for layer in layers
        ]
        size = {"width": done.size.width, "height": done.size.height}
        console.write_json({**named, "frames": done.frames, "size": size, "layers": told}, problems)
    else:
        console.write_facts({**named, "frames": f"{done.frames}, {done.size} pixel"})
        console.write()
        rows = [[layer.name, layer.kind, f"{done.boxes[layer.name]}", layer.why] for layer in layers]
        console.write_table(["layer", "drawn as", "boxes", "because"], rows)
        console.report(problems)
    finish(problems)


PLUGIN = overlay
