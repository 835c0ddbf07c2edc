"""Sequences with truth, detections and images for clips, written by hand, and read again as plainly as can be."""

from __future__ import annotations

import json
import warnings
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING, Any, get_args

import numpy as np

from lapsdata.errors import LapsWarning
from lapsdata.loading import open_mot
from lapsdata.loading._mot_options import Allowed
from lapsdata.video.writer import write_video
from tests.adapters.mot_by_hand import sequence

if TYPE_CHECKING:
    from pathlib import Path

    from lapsdata.loading import MotDataset

Row = tuple[int, int, float, float, float, float, int, int, float]
"""Number of the frame, id, left, top, width, height, flag, class, visibility: as gt.txt has it."""

WIDTH, HEIGHT = 64, 48


@dataclass
class Hand:
    """One sequence: the rows of its truth, and what a detector found in each frame that it looked at."""

    name: str
    length: int
    truth: list[Row]
    found: dict[int, list[tuple[float, float, float, float, float]]] = field(default_factory=dict)

    def of(self, number: int) -> list[Row]:
        """Return the true boxes of a frame, in order of the file."""
        return [row for row in self.truth if row[0] == number]


def walked(name: str, length: int, ids: tuple[int, ...] = (1, 2), *, step: float = 2.0) -> Hand:
    """Return a sequence in which everybody walks to the right, and a detector that is a little off."""
    hand = Hand(name, length, [])
    for number in range(1, length + 1):
        hand.found[number] = []
        for place, one in enumerate(ids):
            left, top = 1 + step * number, 5.0 + 14 * place
            hand.truth.append((number, one, left, top, 10, 12, 1, 1, 1.0))
            hand.found[number].append((left + 0.5, top - 1, 10.5, 13, 0.5 + 0.1 * place))
    return hand


def put_root(root: Path, hands: list[Hand], *, first: dict[str, int] | None = None, **info: Any) -> Path:
    """Write a root of MOTChallenge: truths with what is told of each."""
    for hand in hands:
        rows = [",".join(f"{value:g}" for value in row) for row in hand.truth]
        said = {"name": hand.name, "seqLength": hand.length, "frameRate": 10, "imWidth": WIDTH, "imHeight": HEIGHT}
        sequence(root / hand.name, truth=rows, **(said | {"imDir": "img1", "imExt": ".png"} | info))
    return root


def put_database(path: Path, hands: list[Hand], digits: int = 6) -> Path:
    """Write a database of detections, a key for each frame that was looked at."""
    keys = {
        f"train/{hand.name}/img1/{number:0{digits}d}": [",".join(f"{value:g}" for value in one) for one in boxes]
        for hand in hands
        for number, boxes in hand.found.items()
    }
    path.write_text(json.dumps(keys))
    return path


def picture(sequence: int, number: int) -> np.ndarray[Any, Any]:
    """Return a picture that tells sequence and number of the frame, in 8 levels each."""
    image = np.full((HEIGHT, WIDTH, 3), 20, np.uint8)
    image[: HEIGHT // 2] += np.uint8(number * 8)
    image[HEIGHT // 2 :, :, 0] += np.uint8(sequence * 60)
    return image


def put_images(folder: Path, numbers: list[int], sequence: int = 0, digits: int = 6) -> Path:
    """Write pictures without loss."""
    import cv2

    folder.mkdir(parents=True, exist_ok=True)
    for number in numbers:
        assert cv2.imwrite(str(folder / f"{number:0{digits}d}.png"), picture(sequence, number)[..., ::-1])
    return folder


def put_video(path: Path, numbers: list[int]) -> Path:
    """Write pictures as a video, ten a second."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_video(path, [picture(0, number) for number in numbers], [number / 10 for number in range(len(numbers))])
    return path


def opened(*given: Any, **options: Any) -> MotDataset:
    """Open clips with everything allowed, and no word of it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LapsWarning)
        return open_mot(*given, **({"allow": get_args(Allowed), "images": False, "box_origin": "one_based"} | options))


def plain_clips(hands: list[Hand], clip: int, intervals: range) -> list[tuple[int, int, list[int]]]:
    """Return sequence, first number and the intervals that fit of each clip, where every frame is annotated."""
    found = []
    for at, hand in enumerate(hands):
        for first in range(1, hand.length + 1):
            fits = [one for one in intervals if first + (clip - 1) * one <= hand.length]
            if fits:
                found.append((at, first, fits))
    return found


def plain_numbers(hands: list[Hand]) -> dict[tuple[int, int], int]:
    """Return the number of each identity, by sequence and id, of those that have a box that counts."""
    counter = count()
    numbers = {}
    for at, hand in enumerate(hands):
        for one in sorted({row[1] for row in hand.truth if row[6]}):
            numbers[at, one] = next(counter)
    return numbers
