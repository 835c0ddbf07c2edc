"""A small benchmark of tracking, made up: truth, pictures, detections and trackers whose mistakes are known by number.

What is written is what other programs write: sequences of MOTChallenge with images, results of trackers as text, and a
database of detections. So it is read, checked, scored and drawn as any other, and what scores find stands beside what
was put in.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, NamedTuple

import numpy as np
from pydantic import Field

from lapsdata.adapters import merged_boxes, writers
from lapsdata.containers import Boxes
from lapsdata.errors import Problem, SchemaError, StorageError
from lapsdata.formats import read, write
from lapsdata.provenance import provenance
from lapsdata.report import overlay_boxes
from lapsdata.report.box_files import read_box_layers
from lapsdata.schema.base import Count, Record
from lapsdata.stages._header_key import key_now, key_of
from lapsdata.stages._output import Output, settle
from lapsdata.storage.atomic import atomic_folder, storage_errors
from lapsdata.testing.made_up_tracks import made_up_tracks, write_painted
from lapsdata.testing.noisy_boxes import noisy_boxes

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from lapsdata.report.box_overlays import BoxOverlay
    from lapsdata.schema.tracking import TrackingResult
    from lapsdata.testing.noisy_boxes import BoxNoise, NoisyBoxes

__all__ = [
    "DEMO_TRACKERS",
    "DemoPlaces",
    "DemoRow",
    "DemoSet",
    "TrackingDemo",
    "demo_rows",
    "draw_demo",
    "drawn_boxes",
    "make_demo",
]

_STAGE = "tracking_demo"
DEMO_TRACKERS = {"careful": 0.5, "usual": 1.0, "hasty": 2.0}
"""How much of the noise that was asked for each tracker has."""
_DRAWN = "usual"
# A folder of splits, as benchmarks have: what keys of a database begin with.
_SPLIT = "train"

_Half = Annotated[float, Field(ge=0, le=0.5)]


class TrackingDemo(Record):
    """What is made up, and the noise of the tracker `usual`: `careful` has half of it, and `hasty` twice as much.

    Examples
    --------
    >>> TrackingDemo(missing=0.2).of("hasty")["missing"]
    0.4
    """

    seed: Count = 0
    """Of all that is drawn."""
    sequences: Annotated[int, Field(ge=1, le=100)] = 3
    """How many."""
    frames: Annotated[int, Field(ge=10, le=10_000)] = 100
    """Of each sequence."""
    people: Annotated[int, Field(ge=1, le=16)] = 6
    """In each sequence."""
    missing: _Half = 0.1
    """Share of the true boxes that are left out."""
    false: Annotated[float, Field(ge=0, le=2)] = 0.1
    """False boxes, as a share of the number of true ones."""
    swapped: _Half = 0.02
    """Share of the frames in which two neighbours exchange their identities."""
    jitter_px: Annotated[float, Field(ge=0, le=100)] = 1.5
    """Standard deviation of how far boxes are moved, in pixels."""

    def of(self, tracker: str) -> dict[str, float]:
        """Return the noise of one of `DEMO_TRACKERS`, as `noisy_boxes` takes it."""
        names = ("missing", "false", "swapped", "jitter_px")
        return {name: DEMO_TRACKERS[tracker] * getattr(self, name) for name in names}


@dataclass(frozen=True, slots=True)
class DemoPlaces:
    """Where all of it lies.

    Parameters
    ----------
    out : Path
        The folder of all that is made.

    Examples
    --------
    >>> import pathlib
    >>> DemoPlaces(pathlib.Path("demo_mot")).mot.as_posix()
    'demo_mot/data/mot'
    """

    out: Path

    @property
    def data(self) -> Path:
        """Folder of what is made up."""
        return self.out / "data"

    @property
    def truth(self) -> Path:
        """The truth as Parquet, which says how all was made."""
        return self.data / "truth.parquet"

    @property
    def mot(self) -> Path:
        """A benchmark: `train/<sequence>` with `gt/gt.txt`, `det/det.txt`, `seqinfo.ini` and `img1`."""
        return self.data / "mot"

    @property
    def database(self) -> Path:
        """The detections as a database of MOTRv2."""
        return self.mot / "det_db.json"

    def images(self, sequence: str) -> Path:
        """Return the folder of the images of a sequence."""
        return self.mot / _SPLIT / sequence / "img1"

    @property
    def trackers(self) -> Path:
        """Results: `<tracker>/data/<sequence>.txt`."""
        return self.data / "trackers"

    @property
    def scores(self) -> Path:
        """The result of the scores."""
        return self.out / "scores.json"

    @property
    def pictures(self) -> Path:
        """Folder of pictures of the scores, with the result that they show."""
        return self.out / "pictures"

    @property
    def drawn(self) -> bool:
        """Whether the pictures show the scores that are there."""
        shown = self.pictures / self.scores.name
        return shown.exists() and self.scores.exists() and shown.read_bytes() == self.scores.read_bytes()

    @property
    def video(self) -> Path:
        """Boxes on the frames of the first sequence."""
        return self.out / "overlay.mp4"

    @property
    def sheet(self) -> Path:
        """Some of these frames."""
        return self.out / "overlay.png"


@dataclass(frozen=True, slots=True)
class DemoSet:
    """What was made up.

    Parameters
    ----------
    truth : Boxes
    detector : NoisyBoxes
        Without identities.
    trackers : dict of NoisyBoxes
    """

    truth: Boxes
    detector: NoisyBoxes
    trackers: dict[str, NoisyBoxes]


class DemoRow(NamedTuple):
    """One kind of noise of one tracker, beside the score that shows it.

    Parameters
    ----------
    tracker, noise, put_in, score : str
        What was put in in words, and the name of the score.
    expected, found : float
        What the score must be by construction, and what it is.
    certain : bool
        Whether what boxes are matched with is determined, so that both must be equal.
    """

    tracker: str
    noise: str
    put_in: str
    score: str
    expected: float
    found: float
    certain: bool

    @property
    def equal(self) -> bool:
        """Whether the score finds what was put in; of means up to the last digits."""
        return abs(self.expected - self.found) <= 1e-9


def make_demo(out: Path, options: TrackingDemo) -> Output[DemoSet]:
    """Make up a truth, its pictures, detections and trackers, and write them; what was made so already is kept.

    Parameters
    ----------
    out : Path
        Made where it is not there; `DemoPlaces` says what is in it.
    options : TrackingDemo

    Raises
    ------
    SchemaError
        There is no room for so many false boxes.
    StorageError
        Something else is in the place of an output, or it cannot be written.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> out = pathlib.Path(tempfile.mkdtemp())
    >>> options = TrackingDemo(sequences=1, frames=10)
    >>> [make_demo(out, options).fate for _ in range(2)], sorted(path.name for path in DemoPlaces(out).mot.iterdir())
    (['made', 'kept'], ['det_db.json', 'train'])
    """
    places = DemoPlaces(out)
    made = _made_up(options)
    _refuse_strangers(places)
    with storage_errors(out, "make the folder"):
        out.mkdir(parents=True, exist_ok=True)

    def known(path: Path) -> tuple[str | None, DemoSet]:
        truth = path / places.truth.name
        return (key_of(_STAGE, read(truth, Boxes).header.provenance) if truth.is_file() else None), made

    def make(overwrite: bool) -> DemoSet:
        with atomic_folder(places.data, overwrite=overwrite) as folder:
            _write(folder, made)
        return made

    return settle(places.data, key_now(_STAGE, options.as_json(), ()), read=known, make=make)


def _refuse_strangers(places: DemoPlaces) -> None:
    """Refuse pictures that lie where ours would, and are of nothing that was made here."""
    there = [path for path in (places.video, places.sheet) if path.exists()]
    if there and not places.data.exists():
        message = "expected a free name, got a file that is not of this demo"
        raise StorageError(Problem("exists", str(there[0]), message, "move it away, or name another folder: --out"))


def _made_up(options: TrackingDemo) -> DemoSet:
    truth = made_up_tracks(sequences=options.sequences, frames=options.frames, people=options.people, seed=options.seed)
    header = truth.header.model_copy(update={"provenance": provenance(parameters=options.as_json())})
    truth = replace(truth, header=header)
    detector = noisy_boxes(truth, **options.of(_DRAWN) | {"swapped": 0.0}, seed=options.seed, source="detector")
    bare = replace(detector.boxes, id=np.full(len(detector.boxes), -1))
    # Each tracker of its own seed: one that had half of another's mistakes would not be another tracker.
    trackers = {
        name: noisy_boxes(truth, **options.of(name), seed=options.seed + number, source=name)
        for number, name in enumerate(DEMO_TRACKERS, 1)
    }
    return DemoSet(truth, detector._replace(boxes=bare), trackers)


def _write(folder: Path, made: DemoSet) -> None:
    """Write all files; what is lost on the way, as the names of images, is beside them."""
    places = DemoPlaces(folder.parent)
    write(folder / places.truth.name, made.truth)
    names = [one.name for one in made.truth.header.sequences]
    # Keys of one sequence do not name it by themselves.
    prefix = _SPLIT if len(names) > 1 else f"{_SPLIT}/{names[0]}"
    text, database = writers()["motchallenge"], writers()["detection-db"]
    root = folder / places.mot.name
    root.mkdir()
    text.write(root / _SPLIT, merged_boxes([made.truth, made.detector.boxes])[0])
    write_painted(root / _SPLIT, made.truth)
    text.write(folder / places.trackers.name, merged_boxes([one.boxes for one in made.trackers.values()])[0])
    database.write(root / places.database.name, made.detector.boxes, prefix=prefix, digits=6, suffix=".txt")


def demo_rows(made: DemoSet, result: TrackingResult) -> tuple[DemoRow, ...]:
    """Return what was put into each tracker, beside what its scores found.

    Parameters
    ----------
    made : DemoSet
    result : TrackingResult
        Of these trackers, at an overlap of 0.5.

    Raises
    ------
    SchemaError
        The result has no row for a tracker.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from lapsdata.stages.tracking import tracking_result
    >>> places = DemoPlaces(pathlib.Path(tempfile.mkdtemp()))
    >>> made = make_demo(places.out, TrackingDemo(sequences=1, frames=10)).content
    >>> result, _ = tracking_result(places.truth, [places.trackers])
    >>> rows = demo_rows(made, result)
    >>> len(rows), all(row.equal for row in rows if row.certain)
    (12, True)
    """
    return tuple(row for name, one in made.trackers.items() for row in _rows(name, one.noise, result))


def _rows(name: str, noise: BoxNoise, result: TrackingResult) -> Iterator[DemoRow]:
    scored = {row.name: row.classes for row in result.trackers}
    if name not in scored:
        message = f"expected scores of {name!r}, got those of {', '.join(scored)}"
        raise SchemaError(Problem("no-trackers", "result", message, "score the trackers of this demo"))
    (numbers,) = scored[name].values()
    moved = noise.boxes - noise.removed
    lost = f", {noise.lost} moved too far" if noise.lost else ""
    for kind, put_in, score in (
        ("missing", f"{noise.removed} of {noise.boxes} boxes{lost}", "CLR_FN"),
        ("false", f"{noise.added} boxes{lost}", "CLR_FP"),
        ("swapped", f"{noise.exchanges} exchange{'s' * (noise.exchanges != 1)} of 2 ids", "IDSW"),
    ):
        expected, found = noise.counts[score], numbers.counts[score]  # type: ignore[index]
        yield DemoRow(name, kind, put_in, score.removeprefix("CLR_"), expected, found, noise.ambiguous == 0)
    put_in = f"{moved} boxes moved"
    yield DemoRow(name, "jitter", put_in, "mean IoU", noise.overlap, numbers.mean_iou, noise.ambiguous == 0)


def draw_demo(places: DemoPlaces, made: Output[DemoSet]) -> BoxOverlay | None:
    """Draw truth and the tracker `usual` on the first sequence; None where that was done already.

    Raises
    ------
    LapsError
        Pictures or boxes cannot be read, or the outputs not be written.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> places = DemoPlaces(pathlib.Path(tempfile.mkdtemp()))
    >>> options = TrackingDemo(sequences=1, frames=10)
    >>> [None if done is None else done.frames for done in (draw_demo(places, make_demo(places.out, options)),) * 2]
    [10, 10]
    >>> draw_demo(places, make_demo(places.out, options)) is None
    True
    """
    video, sheet = (None if path.exists() and not made.made else path for path in (places.video, places.sheet))
    if video is None and sheet is None:
        return None
    first = made.content.truth.header.sequences[0].name
    layers = read_box_layers(drawn_boxes(places), sequence=first).layers
    return overlay_boxes(layers, places.images(first), out=video, sheet=sheet, overwrite=made.made)


def drawn_boxes(places: DemoPlaces) -> Sequence[Path]:
    """Return the files that are drawn: the truth, and the tracker `usual`.

    Examples
    --------
    >>> import pathlib
    >>> [path.name for path in drawn_boxes(DemoPlaces(pathlib.Path("demo_mot")))]
    ['truth.parquet', 'usual']
    """
    return places.truth, places.trackers / _DRAWN
