"""People who walk to and fro, made up: a truth of tracked boxes, and the pictures that it is of.

Each walks in a lane of its own, nearer ones lower and larger, so that they hide one another in part as people in a
street do, and no two boxes of a frame ever overlap by half.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lapsdata.containers import Boxes
from lapsdata.errors import Problem, SchemaError
from lapsdata.provenance import provenance
from lapsdata.schema import BoxesHeader, BoxSequence, FrameRange, Size
from lapsdata.storage.atomic import storage_errors
from lapsdata.testing.scene_plan import random_stream
from lapsdata.timebase import FrameRate

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    Image = NDArray[np.uint8]

__all__ = ["made_up_tracks", "paint_tracks", "write_painted"]

_WIDTH, _HEIGHT, _RATE_HZ = 640, 360, 25
# Where lanes lie, as shares of the height; of a lane, how tall people are in it, and of that how wide.
_FAR, _NEAR = 0.3, 0.97
_TALL, _WIDE = 1.5, 0.42
_MOST = 16
# Fewer people are not taller than so many would be.
_LEAST_LANES = 4
_LABEL = "pedestrian"
# RGB of clothes, then skin, ground and lines between lanes.
_CLOTHES = (
    *((196, 78, 60), (64, 110, 176), (84, 148, 92), (214, 160, 56), (132, 92, 168), (60, 152, 158)),
    *((186, 96, 140), (120, 120, 70)),
)
_SKIN, _SKY, _GROUND, _LINE = (226, 188, 160), (186, 198, 206), (148, 146, 140), (132, 130, 124)


def made_up_tracks(*, sequences: int = 3, frames: int = 100, people: int = 6, seed: int = 0) -> Boxes:
    """Return the truth of sequences in which people walk to and fro.

    Parameters
    ----------
    sequences : int
        Called `walk_1` and so on; each is the same whatever stands beside it.
    frames : int
        Of each sequence, at 25 per second and 640 x 360 pixel; at least 10.
    people : int, 1 to 16
        In each sequence; some come later, some leave earlier.
    seed : int

    Returns
    -------
    Boxes
        Each person has an identity from 1 on, the label `pedestrian`, and the whole body as box, seen or not.

    Raises
    ------
    SchemaError
        Other numbers.

    Examples
    --------
    >>> truth = made_up_tracks(sequences=2, frames=50)
    >>> [one.name for one in truth.header.sequences], sorted(set(truth.id.tolist()))
    (['walk_1', 'walk_2'], [1, 2, 3, 4, 5, 6])
    """
    for name, value, least, most in (
        ("sequences", sequences, 1, 1000),
        ("frames", frames, 10, 999_999),
        ("people", people, 1, _MOST),
    ):
        if not least <= value <= most:
            message = f"expected a whole number from {least} to {most}, got {value}"
            raise SchemaError(Problem("out-of-range", name, message))
    every = [_walks(random_stream(seed, "walks", number), frames, people) for number in range(sequences)]
    rows = np.concatenate(every)
    count = len(rows)
    told = {"sequences": sequences, "frames": frames, "people": people, "seed": seed}
    header = BoxesHeader(
        provenance=provenance(parameters={**told}),
        sequences=tuple(_sequence(number + 1, frames) for number in range(sequences)),
        labels=(_LABEL,),
    )
    x, y, w, h = (np.ascontiguousarray(side) for side in rows[:, 2:].T)
    return Boxes(
        header,
        np.repeat(np.arange(sequences), [len(one) for one in every]),
        rows[:, 0].astype(np.int64),
        rows[:, 1].astype(np.int64),
        x,
        y,
        w,
        h,
        (_LABEL,) * count,
        ("truth",) * count,
        np.zeros(count, bool),
    )


def _sequence(number: int, frames: int) -> BoxSequence:
    return BoxSequence(
        name=f"walk_{number}",
        length=frames,
        rate=FrameRate(_RATE_HZ),
        size=Size(width=_WIDTH, height=_HEIGHT),
        annotated=(FrameRange(start=0, stop=frames),),
        images="img1/{frame:06d}.jpg",
        first_number=1,
    )


def _walks(random: np.random.Generator, frames: int, people: int) -> NDArray[np.float64]:
    """Return frame, identity, x, y, w, h of each box, by frame."""
    lane, widest = ((_NEAR - _FAR) * _HEIGHT / count for count in (people, _LEAST_LANES))
    parts = []
    for number in range(people):
        # Nearer people are larger: from 0.8 to 1.2 of the mean.
        tall = _TALL * min(lane, widest) * (0.8 + 0.4 * (number + 0.5) / people)
        width, height = np.round([_WIDE * tall, tall])
        late, early = random.integers(0, frames // 5 + 1, 2).tolist()
        begin, end = (late, frames) if number % 2 else (0, frames - early)
        frame = np.arange(begin, end)
        turns = random.uniform(0.4, 0.9) * frame / 100 + random.uniform()
        middle = _WIDTH / 2 + (_WIDTH / 2 - width) * random.uniform(0.6, 1.0) * np.sin(2 * np.pi * turns)
        # A step is a pixel up and down; truth is in whole pixels, as people annotate it.
        feet = np.round(_FAR * _HEIGHT + (number + 1) * lane) - (frame // 3) % 2
        x, y = np.round(middle - width / 2) - 0.5, feet - height - 0.5
        columns = np.broadcast_arrays(frame, number + 1, x, y, width, height)
        parts.append(np.stack(columns, axis=1).astype(np.float64))
    rows = np.concatenate(parts)
    ordered: NDArray[np.float64] = rows[np.argsort(rows[:, 0], kind="stable")]
    return ordered


def paint_tracks(truth: Boxes, sequence: str, frame: int) -> Image:
    """Return the picture that made-up boxes are of: whoever is nearer hides others.

    Parameters
    ----------
    truth : Boxes
        As `made_up_tracks` returns it.
    sequence : str
    frame : int
        From 0.

    Returns
    -------
    numpy.ndarray, shape (360, 640, 3), uint8, RGB

    Raises
    ------
    SchemaError
        No such sequence or frame.

    Examples
    --------
    >>> paint_tracks(made_up_tracks(), "walk_1", 0).shape
    (360, 640, 3)
    """
    import cv2

    names = [one.name for one in truth.header.sequences]
    if sequence not in names or not 0 <= frame < truth.header.sequences[names.index(sequence)].length:
        message = f"expected a frame of {', '.join(names)}, got {frame} of {sequence!r}"
        raise SchemaError(Problem("no-frame-there", "truth", message))
    image = np.full((_HEIGHT, _WIDTH, 3), _GROUND, np.uint8)
    horizon = round(_FAR * _HEIGHT) - 10
    image[:horizon] = _SKY
    for x in range(-_WIDTH, 2 * _WIDTH, 80):
        cv2.line(image, (_WIDTH // 2 + (x - _WIDTH // 2) // 3, horizon), (x, _HEIGHT), _LINE, 1, cv2.LINE_AA)
    rows = np.flatnonzero((truth.sequence_index == names.index(sequence)) & (truth.frame == frame))
    for row in rows[np.argsort(truth.y[rows] + truth.h[rows], kind="stable")].tolist():
        _paint_person(image, truth, row)
    return image


def _paint_person(image: Image, truth: Boxes, row: int) -> None:
    """Draw a head, a body and two legs that fill the box."""
    import cv2

    left, top = round(truth.x[row] + 0.5), round(truth.y[row] + 0.5)
    width, height = round(truth.w[row]), round(truth.h[row])
    middle, clothes = left + width // 2, _CLOTHES[int(truth.id[row]) % len(_CLOTHES)]
    head, hips = max(height // 8, 2), top + 3 * height // 5
    thick = max(width // 5, 2)
    stride = (width // 2 - thick) // (2 if (int(truth.frame[row]) // 3) % 2 else 1)
    dark = tuple(value // 2 for value in clothes)
    for side in (-1, 1):
        cv2.line(image, (middle, hips), (middle + side * stride, top + height - 1 - thick), dark, thick)
    centre, axes = (middle, (top + 2 * head + hips) // 2), (width // 2 - 2, (hips - top) // 2 - head + 2)
    cv2.ellipse(image, centre, axes, 0, 0, 360, clothes, cv2.FILLED, cv2.LINE_AA)
    cv2.circle(image, (middle, top + head), head, _SKIN, cv2.FILLED, cv2.LINE_AA)


def write_painted(root: Path, truth: Boxes) -> int:
    """Write the pictures of all sequences, `<root>/<sequence>/img1/000001.jpg`; return how many.

    Parameters
    ----------
    root : Path
        Folders are made where they are not there; pictures of these names are replaced.
    truth : Boxes
        As `made_up_tracks` returns it.

    Raises
    ------
    StorageError
        They cannot be written.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> root = pathlib.Path(tempfile.mkdtemp())
    >>> write_painted(root, made_up_tracks(sequences=1, frames=10)), (root / "walk_1" / "img1" / "000010.jpg").is_file()
    (10, True)
    """
    import cv2

    count = 0
    for sequence in truth.header.sequences:
        folder = root / sequence.name / "img1"
        with storage_errors(folder, "write to"):
            folder.mkdir(parents=True, exist_ok=True)
            for frame in range(sequence.length):
                picture = paint_tracks(truth, sequence.name, frame)
                _, encoded = cv2.imencode(".jpg", picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 90])
                (folder / f"{frame + 1:06d}.jpg").write_bytes(encoded.tobytes())
                count += 1
    return count
