"""Stand-ins for the videos of a data set whose labels one has: rendered scenes that move as the real labels say.

No picture of the data set is in them, and what is measured on them says nothing about it. So the folder says SYNTHETIC
(`SYNTHETIC.json`, which `lapsdata.adapters.mstcn` reads), and so does every table that is made from it.

A textured hand moves over a still, textured table. Each label has a path of its own, an ellipse that is begun anew with
every segment; under the quiet labels the hand rests. Noise is on everywhere.
"""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from lapsdata import console
from lapsdata.adapters._synthetic import MARKER, SyntheticMarker
from lapsdata.adapters.mstcn import labels_of
from lapsdata.errors import Problem, SchemaError, StorageError
from lapsdata.provenance import path_digest
from lapsdata.storage.atomic import storage_errors
from lapsdata.storage.sealed_json import read_sealed_json, write_sealed_json
from lapsdata.testing.scene_plan import random_stream
from lapsdata.timebase import FrameRate, frame_to_s, s_to_frame
from lapsdata.video.writer import write_video

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    Image = NDArray[np.uint8]

__all__ = ["QUIET_LABELS", "write_standin"]

QUIET_LABELS = frozenset({"background", "SIL", "action_start", "action_end"})
"""Labels under which nothing moves: those that GTEA, Breakfast and 50Salads have for it."""

_LARGEST = (160, 120)
_HAND = 44
_NOISE_SD, _NOISES = 3.0, 16
# A path is left and come back to within so long; the hand never jumps.
_RAMP_S = 0.25


def _in_videos(name: str) -> str:
    return f"Videos/{name}.mp4"


def write_standin(
    source: Path,
    root: Path,
    rate: FrameRate,
    *,
    seconds: float | None = None,
    size: tuple[int, int] = _LARGEST,
    seed: int = 0,
    place: Callable[[str], str] = _in_videos,
) -> int:
    """Write a folder that looks as that of a data set: its labels and splits, and a rendered video for each.

    Every video has as many frames as labels, at their rate. What an earlier call has written with the same arguments
    stays; one that was stopped goes on.

    Parameters
    ----------
    source : Path
        A data set as MS-TCN lays it out: `groundTruth`, `splits`, `mapping.txt`.
    root : Path
        The folder that is made.
    rate : FrameRate
        Labels per second.
    seconds : float, seconds, optional
        Labels and videos are cut off there; by default none is.
    size : (int, int), pixel
        Width and height, even, at most 160 x 120.
    seed : int
    place : callable
        Returns, for the name of a video, its path in the folder; it ends in `.mp4`.

    Returns
    -------
    int
        Frames of all videos.

    Raises
    ------
    SchemaError
        Another size, or less than one frame.
    StorageError
        No labels are there, something else is in the folder, or it cannot be written.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from lapsdata.testing.made_up_labels import write_made_up_labels
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> write_made_up_labels(folder / "labels", test=("S1_Tea_C1",), train=())
    >>> write_standin(folder / "labels", folder / "root", FrameRate(15), seconds=1.0)
    15
    >>> sorted(path.name for path in (folder / "root").iterdir())
    ['SYNTHETIC.json', 'Videos', 'groundTruth', 'mapping.txt', 'splits']
    """
    if size[0] > _LARGEST[0] or size[1] > _LARGEST[1] or min(size) < 2 * _HAND or size[0] % 2 or size[1] % 2:
        message = (
            f"expected even sides of {2 * _HAND} to {_LARGEST[0]} x {_LARGEST[1]} pixel, got {size[0]} x {size[1]}"
        )
        raise SchemaError(Problem("out-of-range", "size", message))
    if seconds is not None and not seconds * float(rate.fraction) >= 1:
        message = f"expected at least one frame, {rate.period_s:g} s, got {seconds:g} s"
        raise SchemaError(Problem("out-of-range", "seconds", message))
    most = None if seconds is None else s_to_frame(seconds, rate, "nearest")
    labels = {name: words[:most] for name, words in labels_of(source).items()}
    _begin(root, _marker(source, rate, seconds, size, seed))
    _copy_splits(source, root)
    with console.progress("render", sum(map(len, labels.values())), unit="frames") as advance:
        for name, words in labels.items():
            with storage_errors(root, "write to"):
                # One label per line, as in the files that they are from.
                (root / "groundTruth" / f"{name}.txt").write_text("".join(f"{word}\n" for word in words))
                target = root / place(name)
                target.parent.mkdir(parents=True, exist_ok=True)
            if not target.exists():
                scene = _Scene(name, words, rate, size, seed)
                write_video(target, scene.frames(), frame_to_s(np.arange(len(words)), rate), crf=23)
            advance(len(words))
    return sum(map(len, labels.values()))


def _marker(source: Path, rate: FrameRate, seconds: float | None, size: tuple[int, int], seed: int) -> SyntheticMarker:
    cut = "" if seconds is None else f", the first {seconds:g} s of each"
    return SyntheticMarker(
        synthetic=f"SYNTHETIC: rendered scenes that move as labels say{cut}; no video of the data set is in it",
        parameters={"rate": str(rate), "seconds": seconds, "size": list(size), "seed": seed},
        labels=path_digest(source / "groundTruth"),
    )


def _begin(root: Path, marker: SyntheticMarker) -> None:
    """Say what the folder is before anything else is in it; refuse one that is something else."""
    path = root / MARKER
    if root.exists() and any(root.iterdir()):
        if path.exists() and read_sealed_json(path, SyntheticMarker) == marker:
            return
        message = "expected an empty folder, or the same stand-in, got another"
        raise StorageError(Problem("exists", str(root), message, "remove it, or name another folder"))
    with storage_errors(root, "make the folder"):
        (root / "groundTruth").mkdir(parents=True)
    write_sealed_json(path, marker)


def _copy_splits(source: Path, root: Path) -> None:
    with storage_errors(root, "write to"):
        if (source / "splits").is_dir():
            shutil.copytree(source / "splits", root / "splits", dirs_exist_ok=True)
        if (source / "mapping.txt").is_file():
            shutil.copyfile(source / "mapping.txt", root / "mapping.txt")


class _Path(NamedTuple):
    """How the hand moves under one label: round an ellipse."""

    reach: NDArray[np.float64]
    turn: float
    per_s: float

    @classmethod
    def of(cls, label: str, size: tuple[int, int], seed: int) -> _Path:
        # By the label alone: it moves alike in all videos.
        random = random_stream(seed, f"path {label}")
        share = random.uniform(0.3, 1.0, 2) * random.permutation([1.0, 0.5])
        return cls(share * (np.array(size) - _HAND) / 2, random.uniform(0, 2 * np.pi), random.uniform(0.5, 1.2))

    def at(self, since_s: NDArray[np.float64], until_s: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the way from the place of rest, shape (F, 2), by the time from the start and to the end."""
        ramp = np.clip(np.minimum(since_s, until_s) / _RAMP_S, 0.0, 1.0)[:, None]
        angle = self.turn + 2 * np.pi * self.per_s * since_s
        return np.asarray(ramp * self.reach * np.stack([np.cos(angle), np.sin(angle)], axis=1))


class _Scene:
    """The pictures of one video."""

    def __init__(self, name: str, labels: Sequence[str], rate: FrameRate, size: tuple[int, int], seed: int) -> None:
        self._random = random_stream(seed, f"scene {name}")
        width, height = size
        self._table = _texture(self._random, (height, width), 40.0, 110.0)
        self._hand = _texture(self._random, (_HAND, _HAND), 120.0, 230.0)
        across = np.arange(_HAND) - (_HAND - 1) / 2
        self._inside = (np.hypot(*np.meshgrid(across, across)) < _HAND / 2 - 2).astype(np.float32)
        self._noise = self._random.normal(0.0, _NOISE_SD, (_NOISES, height, width, 3)).astype(np.float32)
        self._at = (np.array(size) - _HAND) / 2 + _way(labels, rate, size, seed)

    def frames(self) -> Iterator[Image]:
        """Yield the pictures, each of shape (H, W, 3), uint8, RGB."""
        import cv2

        height, width = self._table.shape[:2]
        for x, y in self._at:
            move = np.array([[1.0, 0.0, x], [0.0, 1.0, y]])
            hand = cv2.warpAffine(self._hand, move, (width, height), flags=cv2.INTER_LINEAR)
            cover = cv2.warpAffine(self._inside, move, (width, height), flags=cv2.INTER_LINEAR)[..., None]
            picture = self._table + cover * (hand - self._table)
            # One of a few pictures of noise, turned round by some rows: as good as new, and at no cost.
            noise = np.roll(self._noise[self._random.integers(_NOISES)], self._random.integers(height), axis=0)
            yield np.clip(np.rint(picture + noise), 0.0, 255.0).astype(np.uint8)


def _way(labels: Sequence[str], rate: FrameRate, size: tuple[int, int], seed: int) -> NDArray[np.float64]:
    """Return the way of the hand from its place of rest in each frame, shape (F, 2), pixel."""
    words = np.array(labels)
    edges = np.flatnonzero(words[1:] != words[:-1]) + 1
    way = np.zeros((len(words), 2))
    for start, end in zip([0, *edges], [*edges, len(words)], strict=True):
        label = str(words[start])
        if label in QUIET_LABELS:
            continue
        # Of the middle of each frame: the first one of a segment has moved already.
        middle_s = (np.arange(end - start) + 0.5) * rate.period_s
        way[start:end] = _Path.of(label, size, seed).at(middle_s, middle_s[::-1])
    return way


def _texture(random: np.random.Generator, shape: tuple[int, int], low: float, high: float) -> NDArray[np.float32]:
    """Return a picture that a tracker can hold on to, shape (H, W, 3)."""
    import cv2

    coarse = random.uniform(low, high, (shape[0] // 5 + 1, shape[1] // 5 + 1, 3)).astype(np.float32)
    return np.asarray(cv2.resize(coarse, (shape[1], shape[0]), interpolation=cv2.INTER_CUBIC), np.float32)
