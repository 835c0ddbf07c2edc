"""How boxes and the pictures they are drawn on fit each other: what does not is counted, and told."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lapsdata.errors import Problem, Problems, SchemaError, listed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lapsdata.geometry import FrameSize
    from lapsdata.report.box_frames import MissingPictures, NumberedFrames
    from lapsdata.report.layered_boxes import BoxLayer

__all__ = ["check_fit"]


def check_fit(
    layers: Sequence[BoxLayer],
    frames: NumberedFrames,
    missing: MissingPictures,
    span: tuple[int, int] | None,
) -> tuple[Problem, ...]:
    """Return what is to be told of boxes that do not fit their pictures.

    Raises
    ------
    SchemaError
        Pictures of another size than the boxes refer to; with `missing="raise"`, frames with boxes and no picture.
    """
    found = Problems()
    for layer in layers:
        _sizes(layer, frames.reader.facts.size, found)
        _frames(layer, frames, missing, span, found)
        _places(layer, frames, found)
    _alike(layers, frames, found)
    known = frames.all_numbers
    if span is not None and (span[0] < known[0] or span[1] > known[-1]):
        message = f"expected pictures of frames {span[0]} to {span[1]}, got {known[0]} to {known[-1]} in all"
        found.add("beyond-pictures", f"{frames.reader.facts.path}", message, None, "warning")
    found.raise_as(SchemaError)
    return tuple(found)


def _sizes(layer: BoxLayer, size: FrameSize, found: Problems) -> None:
    told = layer.sequence.size
    if told is not None and told.frame != size:
        message = f"expected pictures of {told.frame} pixel, as the boxes refer to, got {size}"
        found.add("other-size", layer.name, message, "name the pictures that the boxes were made on: --on")


def _frames(
    layer: BoxLayer,
    frames: NumberedFrames,
    missing: MissingPictures,
    span: tuple[int, int] | None,
    found: Problems,
) -> None:
    """Tell frames that only one of both has."""
    numbers = layer.numbers
    asked = np.ones(len(layer), bool) if span is None else (numbers >= span[0]) & (numbers <= span[1])
    if span is not None and not asked.all():
        message = f"{int((~asked).sum())} of {len(layer)} boxes lie outside of frames {span[0]} to {span[1]}: left out"
        found.add("other-frames", layer.name, message, None, "info")
    lost = np.setdiff1d(numbers[asked], frames.all_numbers)
    if len(lost):
        boxes = int(np.isin(numbers[asked], lost).sum())
        known = frames.all_numbers
        message = (
            f"expected a picture for every frame with boxes, got {known[0]} to {known[-1]} and none "
            f"for {frames.told(lost.tolist())}, with {boxes} boxes"
        )
        if missing == "raise":
            fix = "draw those there are: --frames A:B, or --skip-missing"
            elsewhere = "" if frames.names is None else "; --first-number N where counts begin elsewhere"
            found.add("missing-pictures", layer.name, message, fix + elsewhere)
        else:
            found.add("missing-pictures", layer.name, f"{message}: left out", None, "warning")
    bare = np.setdiff1d(frames.numbers, numbers)
    if len(bare) == len(frames.numbers):
        message = f"expected boxes in the {len(bare)} pictures that are drawn, got none"
        found.add("no-boxes", layer.name, message, "check --sequence and --first-number", "warning")
    elif len(bare):
        silent = sum(not layer.annotated(number) for number in bare.tolist())
        message = f"{len(bare)} of {len(frames.numbers)} pictures hold no box, {silent} of them outside of its ranges"
        found.add("empty-pictures", layer.name, message, None, "info")
    if span is None and layer.sequence.length != len(frames.all_numbers):
        message = f"expected {layer.sequence.length} pictures, as the table says, got {len(frames.all_numbers)}"
        found.add("other-length", layer.name, message, None, "warning")


def _places(layer: BoxLayer, frames: NumberedFrames, found: Problems) -> None:
    """Tell drawn boxes that cannot be seen, or not whole."""
    drawn = np.isin(layer.numbers, frames.numbers)
    size = frames.reader.facts.size
    first, last = layer.xywh[drawn, :2], layer.xywh[drawn, :2] + layer.xywh[drawn, 2:]
    edge = np.array([size.width, size.height]) - 0.5
    outside = ((last <= -0.5) | (first >= edge)).any(axis=-1)
    part = ((first < -0.5) | (last > edge)).any(axis=-1) & ~outside
    empty = (layer.xywh[drawn, 2:] == 0).any(axis=-1)
    for code, which, words, severity in (
        ("boxes-outside", outside, "lie outside of the picture: not seen", "warning"),
        ("boxes-cut", part, "reach over its edge: seen in part", "info"),
        ("empty-boxes", empty, "are of width or height 0: drawn as one line", "warning"),
        ("ignored-boxes", layer.ignored[drawn], "are to be ignored: gray, and not counted", "info"),
    ):
        if which.any():
            at = layer.numbers[drawn][which][0]
            message = f"{int(which.sum())} of {int(drawn.sum())} boxes {words}; the first in frame {at}"
            found.add(code, layer.name, message, None, "warning" if severity == "warning" else "info")
    if layer.left_out:
        message = f"{layer.left_out} boxes have a score below --min-score: left out"
        found.add("low-scores", layer.name, message, None, "info")


def _alike(layers: Sequence[BoxLayer], frames: NumberedFrames, found: Problems) -> None:
    """Tell layers that speak of other sequences, or count their frames in another way."""
    names = dict.fromkeys(layer.sequence.name for layer in layers)
    if len(names) > 1:
        message = f"expected boxes of one sequence, got {listed(names)}"
        found.add("other-sequences", "boxes", message, None, "warning")
    firsts = {layer.first_number: layer.name for layer in layers}
    if frames.names is not None and len(firsts) > 1:
        said = ", ".join(f"{number} ({name})" for number, name in sorted(firsts.items()))
        message = f"expected one name of the first frame, got {said}: each is drawn by its own"
        found.add("other-first-numbers", "boxes", message, "give --first-number N for all", "warning")
