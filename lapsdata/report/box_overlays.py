"""A video, or a sheet, of boxes on their frames; memory does not grow with the number of frames."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, get_args

import numpy as np

from lapsdata import console
from lapsdata.errors import Problem, Problems, SchemaError, StorageError, listed
from lapsdata.geometry import FrameSize
from lapsdata.loading.prefetch import Prefetch
from lapsdata.report._box_fit import check_fit
from lapsdata.report._box_strip import BoxStrip
from lapsdata.report.box_frames import MissingPictures, open_frames
from lapsdata.report.drawn_boxes import BoxPen
from lapsdata.report.layout import Cell, Label, lay_out, paint, resized
from lapsdata.report.png import write_png
from lapsdata.report.tile_grid import TileGrid
from lapsdata.video.writer import write_video

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Sequence

    from numpy.typing import NDArray

    from lapsdata.report.box_frames import NumberedFrames
    from lapsdata.report.layered_boxes import BoxLayer
    from lapsdata.timebase import FrameRate
    from lapsdata.video.frame import Frame
    from lapsdata.video.reader import VideoReader

    Image = NDArray[np.uint8]

__all__ = ["BoxOverlay", "overlay_boxes"]

# Labels are not read on narrower pictures: these are enlarged by a whole number.
_LEAST_PX = 640
# Pictures that are drawn ahead of the encoder.
_AHEAD = 4
# Of a sheet: pictures, and the least width of one.
_USUAL, _LEAST_TILE_PX = 12, 160
_GROUND = (28, 30, 34)
# What is told of quality and size to the encoder; thin coloured lines are still sharp, in half of the usual bytes.
_CRF = 21


@dataclass(frozen=True, kw_only=True)
class BoxOverlay:
    """What was drawn.

    Parameters
    ----------
    frames : int
        Pictures.
    boxes : dict of int
        Boxes in them, by layer.
    size : FrameSize, pixel
        Of the pictures of the video, with the strip above them.
    notes : tuple of Problem
        What does not fit, at severity "warning" or "info".
    """

    frames: int
    boxes: dict[str, int]
    size: FrameSize
    notes: tuple[Problem, ...]


def overlay_boxes(
    layers: Sequence[BoxLayer],
    on: Path | str,
    *,
    out: Path | None = None,
    sheet: Path | None = None,
    rate: FrameRate | str | float | None = None,
    frames: tuple[int, int] | None = None,
    first_number: int | None = None,
    trail: int = 30,
    missing: MissingPictures = "raise",
    grid: TileGrid | None = None,
    overwrite: bool = False,
) -> BoxOverlay:
    """Draw layers of boxes on a video or a folder of images, as a video, a contact sheet, or both.

    Above each picture stands a strip: number of the frame, layers with their colours, and how many boxes of each there
    are; boxes that are to be ignored do not count, and "-" stands where a table does not speak of the frame. Times are
    those of the source, less that of the first frame that is drawn. Pictures less wide than 640 pixel are enlarged.

    Parameters
    ----------
    layers : sequence of BoxLayer
        See `box_layers`; at least one.
    on : path
        A video, whose frames are counted from 0, or a folder of images, each called by the number in its name.
    out : Path, optional
        Video to be written, `.mp4` or `.mkv`.
    sheet : Path, optional
        Contact sheet to be written, `.png`: frames spread evenly, the first and the last among them.
    rate : FrameRate, str or number, optional
        Of images, per second; by default that which the layers say.
    frames : tuple of int, optional
        First and last frame that are drawn, by their numbers.
    first_number : int, optional
        What the images call frame 0 of all layers; by default each layer says it.
    trail : int
        Frames that trails go back; 0 for none.
    missing : {"raise", "skip"}
        Frames with boxes and no picture are an error, or left out and counted.
    grid : TileGrid, optional
        Of the sheet; by default 12 pictures in a shape that suits them.
    overwrite : bool
        Whether existing outputs may be replaced.

    Returns
    -------
    BoxOverlay

    Raises
    ------
    SchemaError
        Nothing to be written, no layers, an output that is a source, pictures of another size than the boxes refer to,
        frames without a picture, images without a rate, or other options that do not fit.
    StorageError
        An output exists, or cannot be written; the sources cannot be read.
    LapsError
        A frame cannot be decoded; no other takes its place, and no output is left.

    Examples
    --------
    >>> import tempfile
    >>> from lapsdata.report import box_layers
    >>> from lapsdata.testing.samples import sample_boxes
    >>> from lapsdata.video.writer import write_video
    >>> folder = Path(tempfile.mkdtemp())
    >>> write_video(folder / "match.mp4", [np.zeros((360, 640, 3), np.uint8)] * 10, np.arange(10) / 25)
    >>> layers = box_layers(sample_boxes(), "match", sequence="left")
    >>> done = overlay_boxes(layers, folder / "match.mp4", out=folder / "drawn.mp4", sheet=folder / "sheet.png")
    >>> done.frames, done.boxes
    (10, {'match: truth': 2, 'match: detector': 1})
    """
    on = Path(on)
    _check(layers, on, out, sheet, missing, overwrite)
    source = open_frames(on, layers, rate, timed=out is not None)
    with source.reader:
        source = source.within(frames)
        by_number = source.names is not None
        if first_number is not None and not by_number:
            message = "expected a folder of images, whose names are numbers, got a video"
            raise SchemaError(Problem("wrong-option", "first_number", message, "leave --first-number out"))
        firsts = [(layer.first_number if first_number is None else first_number) * by_number for layer in layers]
        layers = [replace(layer, first_number=first) for layer, first in zip(layers, firsts, strict=True)]
        notes = list(check_fit(layers, source, missing, frames))
        size = source.reader.facts.size
        times = max(1, -(-_LEAST_PX // size.width))
        shown = FrameSize(width=size.width * times, height=size.height * times)
        if times > 1:
            message = f"pictures of {size} pixel are drawn {times} times as large, so that labels can be read"
            notes.append(Problem("enlarged", str(on), message, None, "info"))
        pen = BoxPen(layers, size, shown, trail=trail)
        strip = BoxStrip(pen, shown.width + shown.width % 2, shown.height, int(source.numbers[-1]))
        if out is not None:
            _video(out, source, pen, strip, overwrite=overwrite)
        if sheet is not None:
            write_png(sheet, _sheet(source, pen, grid or TileGrid()), overwrite=overwrite)
    height = strip.height + shown.height
    return BoxOverlay(
        frames=len(source.numbers),
        boxes={layer.name: int(np.isin(layer.numbers, source.numbers).sum()) for layer in layers},
        size=FrameSize(width=shown.width + shown.width % 2, height=height),
        notes=tuple(notes),
    )


def _check(
    layers: Sequence[BoxLayer], on: Path, out: Path | None, sheet: Path | None, missing: object, overwrite: bool
) -> None:
    """Refuse what cannot become an overlay, before anything is read."""
    found = Problems()
    if not layers:
        found.add("no-boxes", "layers", "expected at least one layer, got none")
    names = [layer.name for layer in layers]
    if doubled := sorted({name for name in names if names.count(name) > 1}):
        found.add("doubled-name", "layers", f"expected each name once, got {listed(doubled)} again")
    if missing not in get_args(MissingPictures):
        found.add("unknown-choice", "missing", f"expected 'raise' or 'skip', got {missing!r}")
    there = [path for path in (out, sheet) if path is not None]
    if not there:
        found.add("no-output", "out", "expected a video or a sheet to write, got neither", "give --out or --sheet")
    if sheet is not None and sheet.suffix.lower() != ".png":
        found.add("unknown-suffix", str(sheet), f"expected .png, got {sheet.suffix!r}", "rename it")
    for path in there:
        if path.resolve() == on.resolve() or path.resolve().parent == on.resolve():
            message = "expected another place than that of the pictures, which are never changed, got it"
            found.add("source-as-output", str(path), message, "name another file")
    found.raise_as(SchemaError)
    for path in there:
        if path.exists() and not overwrite:
            message = "expected a free name, got an existing one"
            raise StorageError(Problem("exists", str(path), message, "give --force to replace it"))


def _video(out: Path, source: NumberedFrames, pen: BoxPen, strip: BoxStrip, *, overwrite: bool) -> None:
    """Write the video: one thread decodes and draws ahead of the one that encodes."""
    facts = source.reader.facts
    times = facts.frame_s[source.indices]
    with (
        closing(_frames(source.reader, source.indices)) as frames,
        console.progress("overlay", len(times), unit="frames") as advance,
        Prefetch(_drawn(frames, pen, strip), iter(source.numbers.tolist()), threads=1, depth=_AHEAD) as pictures,
    ):
        write_video(out, _counted(pictures, advance), times - times[0], crf=_CRF, overwrite=overwrite)


def _frames(reader: VideoReader, indices: NDArray[np.int64]) -> Generator[Frame]:
    """Yield frames; closing it closes their decoder."""
    yield from reader.frames(indices.tolist())


def _drawn(frames: Iterator[Frame], pen: BoxPen, strip: BoxStrip) -> Callable[[int], Image]:
    """Return the function that makes the next picture, whose number it is told."""

    def drawn(number: int) -> Image:
        image = next(frames).image
        above = strip.at(number)
        whole = np.empty((len(above) + pen.shown.height, above.shape[1], 3), np.uint8)
        whole[: len(above)], whole[len(above) :, pen.shown.width :] = above, _GROUND
        whole[len(above) :, : pen.shown.width] = pen.draw(resized(image, pen.shown), number)
        return whole

    return drawn


def _counted(pictures: Iterator[Image], advance: Callable[[int], None]) -> Iterator[Image]:
    for picture in pictures:
        yield picture
        advance(1)


def _sheet(source: NumberedFrames, pen: BoxPen, grid: TileGrid) -> Image:
    """Return the sheet: each picture is drawn at the size that it has there."""
    count = len(source.numbers)
    places = np.unique(np.linspace(0, count - 1, min(grid.count(_USUAL), count)).round().astype(np.int64))
    numbers = source.numbers[places].tolist()
    counts = [sum(layer.rows(number).stop - layer.rows(number).start for layer in pen.layers) for number in numbers]
    cells = [Cell((Label(f"frame {number}", f"{boxes} boxes"),)) for number, boxes in zip(numbers, counts, strict=True)]
    size = source.reader.facts.size
    layout = lay_out([size], cells, grid, enlarge_px=_LEAST_TILE_PX)
    tile = layout.tiles[0].size
    small = BoxPen(pen.layers, size, tile, trail=pen.trail)
    with closing(_frames(source.reader, source.indices[places])) as frames:
        pictures = (
            small.draw(resized(frame.image, tile), number) for frame, number in zip(frames, numbers, strict=True)
        )
        sheet = paint(layout, pictures)
    key = BoxStrip(small, layout.size.width, layout.size.height, None, layout.text_px)
    return np.concatenate([key.at(0), sheet])
